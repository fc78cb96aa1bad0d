import { randomBytes } from "node:crypto";
import { maxRecipients } from "@sotto/schema";
import { expect, test } from "vitest";
import { signIn } from "../rest-client.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { runSql } from "../sql.ts";
import { startTestServer } from "../test-server.ts";

test("a message for 1,024 devices is sealed, sent and opened; for one more it fails here, and waits", async () => {
  await using server = await startTestServer();
  const { url, database } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  const crowd = await signIn(url);
  const addDevices = (from: number, count: number) => {
    const keys = Array.from({ length: count }, () => `'${randomBytes(32).toString("base64")}'`).join(", ");
    return runSql(
      database.url,
      `insert into devices (user_id, device_id, public_key, created_at, updated_at, last_seen_at)
       select '${crowd.id}', 'device-' || (${from} + n), key, now(), now(), now()
       from unnest(array[${keys}]) with ordinality as given (key, n)`,
    );
  };
  // Beside Bob's own.
  await addDevices(0, maxRecipients - 1);
  const group = await alice.client.groups.create("Crowd", { memberUserIds: [bob.userId, crowd.id] });
  const { id, unreachable } = await group.send("to all");
  expect(unreachable).toEqual([]);
  await bob.untilReceived(1);
  expect(bob.received).toMatchObject([{ id, kind: "text", text: "to all", assurance: "signed" }]);
  const [row] = await runSql(
    database.url,
    `select count(*)::int as wraps, count(*) filter (where length(value) > 100)::int as sealed
     from messages, jsonb_each_text(wraps) where id = '${id}'`,
  );
  expect(row).toEqual({ wraps: maxRecipients, sealed: maxRecipients });

  await addDevices(maxRecipients, 1);
  const [first, second] = [crypto.randomUUID(), crypto.randomUUID()];
  for (const [text, clientMessageId] of [
    ["one too many", first],
    ["and after it", second],
  ] as const) {
    await expect(group.send(text, { clientMessageId })).rejects.toMatchObject({
      code: "TOO_MANY_DEVICES",
      details: { devices: maxRecipients + 2, max: maxRecipients },
      retry: "after_change",
    });
  }
  const waiting = (await group.messages()).messages.slice(-2);
  expect(waiting).toMatchObject([
    { content: { text: "one too many" }, state: "failed", error: "TOO_MANY_DEVICES" },
    { content: { text: "and after it" }, state: "failed", error: "TOO_MANY_DEVICES" },
  ]);

  await runSql(database.url, `delete from devices where device_id = 'device-${maxRecipients + 1}'`);
  for (const clientMessageId of [first, second]) await group.retry(clientMessageId);
  await group.send("all of it");
  await bob.untilReceived(4);
  expect(bob.texts).toEqual(["to all", "one too many", "and after it", "all of it"]);
  expect(await bob.client.groups.get(group.groupId).withheld()).toEqual([]);
}, 120_000);
