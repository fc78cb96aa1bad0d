import type { DeviceId, UserId } from "@sotto/schema";
import { expect, test } from "vitest";
import { signInWithDevice } from "../../../test/rest-client.ts";
import { startTestServer } from "../../../test/test-server.ts";
import { LastSeen } from "./last-seen.ts";

const at = (minute: number): Date => new Date(Date.UTC(2030, 0, 1, 0, minute));

test("who comes back at once is stored in a few statements, with the newest time of each", async () => {
  await using server = await startTestServer();
  const { db, log } = server.app;
  let statements = 0;
  const counted = db.withPlugin({
    transformQuery: ({ node }) => (statements++, node),
    transformResult: async ({ result }) => result,
  });
  const people = await Promise.all(
    (["a", "b", "c"] as DeviceId[]).map(async (device) => ({
      user: (await signInWithDevice(server.url, device)).id as UserId,
      device,
    })),
  );
  {
    await using lastSeen = new LastSeen({ db: counted, log });
    for (let minute = 0; minute < 50; minute++) {
      for (const { user, device } of people) {
        lastSeen.user(user, at(minute));
        lastSeen.device(user, device, at(minute));
      }
      // A write begins in between, and the rest shares the next.
      if (minute === 10) await Promise.resolve();
    }
  }
  expect(statements).toBeLessThanOrEqual(4);
  const [users, devices] = await Promise.all([
    db.selectFrom("users").select("last_seen_at").execute(),
    db.selectFrom("devices").select("last_seen_at").execute(),
  ]);
  expect([...users, ...devices]).toEqual(Array.from({ length: 6 }, () => ({ last_seen_at: at(49) })));
});
