import { memoryStore } from "@sotto/sdk";
import { expect, test, vi } from "vitest";
import { rest, signIn } from "../rest-client.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { runSql } from "../sql.ts";
import { startTestServer } from "../test-server.ts";

const minuteMs = 60_000;
const dayMs = 86_400_000;

test("a server that gives a device's earlier keys again is found out, also after a restart of the reader", async () => {
  let now = Date.now();
  await using server = await startTestServer({ now: () => new Date(now) });
  const { url } = server;
  const clock = { url, now: () => now };
  const [aliceStore, bobStore] = [memoryStore(), memoryStore()];
  const aliceAtFirst = await TestUser.open({ ...clock, store: aliceStore });
  const bobAtFirst = await TestUser.open({ ...clock, store: bobStore });
  const { phone } = bobAtFirst;
  const { userId, deviceId } = bobAtFirst.me;
  await using bobPhone = await TestUser.open({ ...clock, phone });
  const { token } = await signIn(url, phone);
  const publishedKey = async () => {
    const rows = await runSql(
      server.database.url,
      `select public_key from devices where user_id = '${userId}' and device_id = '${deviceId}'`,
    );
    return rows[0]?.["public_key"];
  };

  expect(await aliceAtFirst.to(bobPhone).send("1")).toMatchObject({ unreachable: [] });
  const earlier = await publishedKey();
  await bobAtFirst.client.close();
  await aliceAtFirst.to(bobPhone).send("2");
  now += 8 * dayMs;
  const bob = await TestUser.open({ ...clock, store: bobStore });
  await bob.untilReceived(1);
  // It may receive before its new keys are published.
  await vi.waitFor(async () => expect(await publishedKey()).not.toBe(earlier), 10_000);
  expect(await aliceAtFirst.to(bobPhone).send("3")).toMatchObject({ unreachable: [] });
  now += 2 * minuteMs;
  expect(await aliceAtFirst.to(bobPhone).send("the same keys again")).toMatchObject({ unreachable: [] });
  await bob.client.close();

  const body = { device_id: deviceId, public_key: earlier };
  expect(await rest(url, "POST /keys/publish", { token, body })).toMatchObject({ status: 200 });
  now += 2 * minuteMs;
  const told = aliceAtFirst.event("identity", ({ type }) => type === "key_rolled_back");
  const refused = { unreachable: [{ userId, deviceId, reason: "rolled_back" }] };
  expect(await aliceAtFirst.to(bobPhone).send("4")).toMatchObject(refused);
  expect(await told).toEqual({ type: "key_rolled_back", userId, deviceId });
  await aliceAtFirst.client.close();
  await using alice = await TestUser.open({ ...clock, store: aliceStore });
  expect(await alice.to(bobPhone).send("5")).toMatchObject(refused);

  // The device itself finds out, and publishes newer keys.
  const healed = bobPhone.event("deviceList", (change) => change.change === "updated");
  await using bobAgain = await TestUser.open({ ...clock, store: bobStore });
  await healed;
  now += 2 * minuteMs;
  expect(await alice.to(bobPhone).send("6")).toMatchObject({ unreachable: [] });
  await bobAgain.until("the last one", () => bobAgain.texts.at(-1) === "6");
});
