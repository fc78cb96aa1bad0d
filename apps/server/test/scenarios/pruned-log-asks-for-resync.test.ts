import { expect, test } from "vitest";
import { runMaintenance } from "../../src/maintenance.ts";
import { rest, sendTo, signInWithDevice } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";

const dayMs = 86_400_000;

test("a device that stayed away longer than the retention is told what is gone, and gets the rest", async () => {
  let now = Date.now();
  await using server = await startTestServer({ now: () => new Date(now) });
  const { url, app } = server;
  const author = await signInWithDevice(url, "away");
  const reader = await signInWithDevice(url, "r");
  const messageIds: string[] = [];
  for (let i = 0; i < 3; i++) {
    const sent = await sendTo(
      url,
      { token: author.token, deviceId: "away" },
      { to: reader.id, ciphertext: `m${i}` },
    );
    messageIds.push(String(sent["id"]));
  }
  await rest(url, `POST /messages/${messageIds[0]}/ack_delivered`, { token: reader.token });
  await rest(url, `POST /messages/${messageIds[1]}/ack_delivered`, { token: reader.token });

  now += 10 * dayMs;
  await runMaintenance(app);
  {
    await using early = await WsClient.connect(url, { token: author.token, resume: true });
    await early.next("caught_up");
    expect(early.ofType("delivered"), "nothing is pruned before its time").toHaveLength(2);
    expect(early.ofType("resync_required")).toHaveLength(0);
  }

  // The connection above counts as a sign of life, so that retention waits for the device…
  now += 25 * dayMs;
  await runMaintenance(app);
  const { token } = await signInWithDevice(url, "r", reader.phone);
  await rest(url, `POST /messages/${messageIds[2]}/ack_delivered`, { token });
  // …until it has been away for the whole retention.
  now += 10 * dayMs;
  await runMaintenance(app);

  const returned = await signInWithDevice(url, "away", author.phone);
  await using late = await WsClient.connect(url, { token: returned.token, resume: true });
  await late.next("caught_up");
  expect(late.ofType("resync_required")).toEqual([
    { type: "resync_required", log: author.id, pruned_through: 3 },
  ]);
  expect(late.ofType("delivered").map((frame) => frame["message_id"])).toEqual([messageIds[2]]);
  expect(late.ofType("message").map((frame) => (frame["message"] as { id: string }).id)).toEqual(messageIds);
});
