import { expect, test } from "vitest";
import { createTestDatabase } from "../database.ts";
import { act, newGroup, newMembers } from "../groups.ts";
import { rest, sendTo, signInWithDevice } from "../rest-client.ts";
import { launchServer } from "../server-process.ts";
import { runSql } from "../sql.ts";
import { Writers } from "../writers.ts";

test("nothing that was answered is lost when the server is killed, and nothing is stored twice by the retry", async () => {
  await using database = await createTestDatabase();
  let server = await launchServer({ databaseUrl: database.url });
  const { url, port } = server;
  try {
    const alice = await signInWithDevice(url, "a");
    const bob = await signInWithDevice(url, "b");
    const writers = new Writers(8, (clientMessageId) => {
      const message = { to: bob.id, ciphertext: `text of ${clientMessageId}`, clientMessageId };
      return sendTo(url, { token: alice.token, deviceId: "a" }, message);
    });
    const { answered, unanswered } = writers;
    while (answered.size < 100) await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([server.kill(), writers.stop()]);

    server = await launchServer({ port, databaseUrl: database.url });
    for (const clientMessageId of unanswered) await writers.send(clientMessageId);
    const ids: string[] = [];
    for (;;) {
      const page = await rest(url, "GET /messages/inbox?ack_delivered=true", { token: bob.token });
      const messages = page.body["messages"] as { id: string }[];
      if (messages.length === 0) break;
      ids.push(...messages.map(({ id }) => id));
    }
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.toSorted()).toEqual([...answered.values()].toSorted());
  } finally {
    await server.kill();
  }
});

test("a batch of many conversations is stored whole or not at all when the server is killed in its midst", async () => {
  await using database = await createTestDatabase();
  const options = { databaseUrl: database.url, env: { CHAT_GROUP_MSGS_PER_MINUTE: "1000000" } };
  let server = await launchServer(options);
  const { url, port } = server;
  try {
    const [sender, ...friends] = await newMembers(url, 5);
    if (!sender) throw new Error("five were asked for");
    for (const { id } of friends) await sendTo(url, sender, { to: id, ciphertext: "first" });
    const group = await newGroup(url, sender, friends);
    const before = await countMessages(database.url);
    // Every fifth writer sends into the group. A batch is half of them, and may be answered while the server dies.
    const writers = new Writers(80, async (clientMessageId) => {
      const ciphertext = `text of ${clientMessageId}`;
      const to = friends[Number(clientMessageId.split("-")[0]) % 5]?.id;
      if (to !== undefined) return sendTo(url, sender, { to, ciphertext, clientMessageId });
      const body = { conversation_id: group, sender_device_id: sender.deviceId, ciphertext };
      const answer = await act(url, sender, "POST /messages/send_group", {
        ...body,
        client_message_id: clientMessageId,
      });
      return { id: (answer["message_ids"] as string[])[0] };
    });
    const { answered, unanswered } = writers;
    while (answered.size < 400) await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([server.kill(), writers.stop()]);
    expect(unanswered.length).toBeGreaterThan(20);
    // What was stored without an answer is there whole: each number that was given has its row.
    expect(await findGaps(database.url)).toEqual([]);

    server = await launchServer({ port, ...options });
    for (const clientMessageId of unanswered) await writers.send(clientMessageId);
    expect(new Set(answered.values()).size).toBe(answered.size);
    expect((await countMessages(database.url)) - before).toBe(answered.size);
    const ids = [...answered.values()].map((id) => `'${id}'`).join(",");
    expect(await runSql(database.url, `select id from messages where id in (${ids})`)).toHaveLength(
      answered.size,
    );
    expect(await findGaps(database.url)).toEqual([]);
  } finally {
    await server.kill();
  }
});

async function countMessages(databaseUrl: string): Promise<number> {
  const [row] = await runSql(databaseUrl, "select count(*)::integer as n from messages");
  return Number(row?.["n"]);
}

/** Conversations whose numbers and rows do not agree. */
function findGaps(databaseUrl: string): Promise<Record<string, unknown>[]> {
  return runSql(
    databaseUrl,
    `select c.id from conversations c where c.last_seq <>
      (select count(*) from messages m where m.conversation_id = c.id)
      + (select count(*) from conversation_entries e where e.conversation_id = c.id)`,
  );
}
