import { once } from "node:events";
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { afterAll, expect, test } from "vitest";
import { watchMemory } from "../memory.ts";
import type { Json, RestAnswer } from "../rest-client.ts";
import { runSql } from "../sql.ts";
import { startTestServer } from "../test-server.ts";
import { unknownId } from "./contract-routes.ts";
import { fieldList, outcome, placesOf, rest } from "./described-rest.ts";
import { newPair, newPerson, sendAll, type DevicePerson } from "./people.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());

function exportOf(by: DevicePerson, id: string): Promise<RestAnswer> {
  return rest(server.url, `POST /messages/export?conversation_id=${id}`, { token: by.token });
}

function put(by: DevicePerson, id: string, body: unknown): Promise<RestAnswer> {
  return rest(server.url, `POST /messages/import?conversation_id=${id}`, { token: by.token, body });
}

async function historyOf(by: DevicePerson, id: string): Promise<Json[]> {
  return fieldList(await rest(server.url, `GET /messages/history?conversation_id=${id}`, by), "messages");
}

const texts = (messages: Json[]): string[] => messages.map(({ ciphertext }) => String(ciphertext));

test("is the whole conversation, oldest first, as a file", async () => {
  const [ada, bob] = await newPair(server.url);
  const sent = await sendAll(server.url, ada, bob, ["1", 'quo"te\n', "é👍"]);
  const id = String(sent[0]?.["conversation_id"]);
  await rest(server.url, `POST /messages/${String(sent[0]?.["id"])}/ack_read`, bob);
  const answer = await exportOf(ada, id);
  const messages = await historyOf(ada, id);
  expect(messages[0]).toMatchObject({ delivered: true, read: true });
  expect(answer.body).toEqual({
    version: 1,
    conversation_id: id,
    is_group: false,
    messages,
    attachments: [],
  });
  expect(answer.headers.get("content-type")).toBe("application/json; charset=utf-8");
  expect(answer.headers.get("content-disposition")).toContain(`conversation-${id}.json`);
  expect(answer.headers.get("cache-control")).toBe("no-store");
  const inBody = { token: ada.token, body: { conversation_id: id } };
  expect((await rest(server.url, "POST /messages/export", inBody)).body).toEqual(answer.body);
});

test("a conversation without messages is an export without messages", async () => {
  const [ada, bob] = await newPair(server.url);
  const made = await rest(server.url, "POST /conversations/direct", {
    token: ada.token,
    body: { peer_user_id: bob.id },
  });
  expect((await exportOf(ada, String(made.body["id"]))).body).toMatchObject({
    messages: [],
    attachments: [],
  });
});

test("holds what the caller imported in its place, and imports again as it is", async () => {
  const [ada, bob] = await newPair(server.url);
  const sent = await sendAll(server.url, ada, bob, ["live"]);
  const id = String(sent[0]?.["conversation_id"]);
  const messages = [{ ciphertext: "old", sent_at: "2020-01-01" }, { ciphertext: "new" }];
  await put(ada, id, { messages });
  const mine = await exportOf(ada, id);
  expect(texts(fieldList(mine, "messages"))).toEqual(["old", "live", "new"]);
  expect(texts(fieldList(await exportOf(bob, id), "messages"))).toEqual(["live"]);

  // Into another conversation: a copy of all, and again nothing.
  const cleo = await newPerson(server.url);
  const [other] = await sendAll(server.url, ada, cleo, ["other"]);
  const otherId = String(other?.["conversation_id"]);
  const created = (await put(ada, otherId, mine.body)).body["created"];
  expect(created).toHaveLength(3);
  expect((await put(ada, otherId, mine.body)).body["created"]).toEqual([]);
  const copied = await historyOf(ada, otherId);
  expect(texts(copied)).toEqual(["old", "live", "new", "other"]);
  expect(copied.slice(0, 3).map((message) => message["sent_at"])).toEqual(
    fieldList(mine, "messages").map((message) => message["sent_at"]),
  );
});

test("holds the attachments: small ones as they came, uploaded ones by their path", async () => {
  const [ada, bob] = await newPair(server.url);
  const sent = await sendAll(server.url, ada, bob, ["1", "2", "3"]);
  const [first, , third] = sent.map((message) => String(message["id"]));
  const id = String(sent[0]?.["conversation_id"]);
  const body = { ciphertext_b64: "aGVsbG8=", content_type: "text/plain", filename: "a.txt" };
  const inline = await rest(server.url, `POST /messages/${third}/attachments`, { token: ada.token, body });
  const uploaded = await rest(server.url, `POST /messages/${first}/attachments/upload`, {
    token: ada.token,
    body: "bytes",
  });
  const answer = await exportOf(bob, id);
  const attachments = fieldList(answer, "attachments");
  expect(attachments).toMatchObject([
    { id: uploaded.body["id"], message_id: first, ciphertext_b64: "", size_bytes: 5 },
    { id: inline.body["id"], message_id: third, ...body, size_bytes: 5, download_url: null },
  ]);
  const path = String(attachments[0]?.["download_url"]);
  const bytes = await fetch(server.url + path, { headers: { authorization: `Bearer ${bob.token}` } });
  expect(await bytes.text()).toBe("bytes");
  // An import takes the messages alone.
  expect((await put(bob, id, answer.body)).body["created"]).toHaveLength(3);
  const found = await rest(
    server.url,
    `GET /messages/search?conversation_id=${id}&has_attachments=true`,
    bob,
  );
  expect(texts(fieldList(found, "messages"))).toEqual(["1", "3"]);
  const bare = await rest(
    server.url,
    `GET /messages/search?conversation_id=${id}&has_attachments=false`,
    bob,
  );
  expect(texts(fieldList(bare, "messages")).toSorted()).toEqual(["1", "2", "2", "3"]);
});

test("leaves deleted messages out, and what was sent when the caller was no member", async () => {
  const [owner, member] = await newPair(server.url);
  const call = async (route: string, body?: unknown): Promise<Json> =>
    (await rest(server.url, route, { token: owner.token, body })).body;
  const id = String((await call("POST /groups", { name: "g", member_user_ids: [] }))["id"]);
  const say = async (ciphertext: string): Promise<string> => {
    const message = { conversation_id: id, sender_device_id: owner.deviceId, ciphertext };
    const sent = await call("POST /messages/send_group", message);
    return String((sent["message_ids"] as unknown[])[0]);
  };
  await say("before");
  await call(`POST /groups/${id}/members`, { member_user_ids: [member.id] });
  await say("first");
  const deleted = await say("deleted");
  await call(`DELETE /groups/${id}/members/${member.id}`);
  await say("away");
  await call(`POST /groups/${id}/members`, { member_user_ids: [member.id] });
  await say("again");
  await call(`DELETE /messages/${deleted}`);
  const answer = await exportOf(member, id);
  expect(answer.body["is_group"]).toBe(true);
  expect(texts(fieldList(answer, "messages"))).toEqual(["first", "again"]);
  for (const message of fieldList(answer, "messages")) expect(message["recipient_user_id"]).toBe(member.id);
  expect(texts(fieldList(await exportOf(owner, id), "messages"))).toEqual([
    "before",
    "first",
    "away",
    "again",
  ]);
});

test("to a stranger the conversation does not exist", async () => {
  const [ada, bob] = await newPair(server.url);
  const [message] = await sendAll(server.url, ada, bob, ["a"]);
  const id = String(message?.["conversation_id"]);
  const eve = await newPerson(server.url);
  for (const each of [id, unknownId]) {
    expect(outcome(await exportOf(eve, each))).toEqual({ status: 404, detail: "Conversation not found" });
  }
  expect(placesOf(await exportOf(ada, "x"))).toEqual(["query.conversation_id"]);
  expect((await rest(server.url, `POST /messages/export?conversation_id=${id}`)).status).toBe(401);
});

test("is counted apart, one for twelve of the general limit", async () => {
  await using strict = await startTestServer({ env: { RATE_LIMIT_PER_MINUTE: "36" } });
  const [ada, bob] = await newPair(strict.url);
  const [message] = await sendAll(strict.url, ada, bob, ["a"]);
  const route = `POST /messages/export?conversation_id=${String(message?.["conversation_id"])}`;
  const statuses: number[] = [];
  for (let i = 0; i < 4; i++) statuses.push((await rest(strict.url, route, ada)).status);
  expect(statuses).toEqual([200, 200, 200, 429]);
  expect((await rest(strict.url, "GET /messages/inbox", ada)).status).toBe(200);
});

/** A conversation of many messages of both, some of them imported. */
async function largeTalk(messageCount: number): Promise<{ ada: DevicePerson; id: string }> {
  const [ada, bob] = await newPair(server.url);
  const [first] = await sendAll(server.url, ada, bob, ["first"]);
  const id = String(first?.["conversation_id"]);
  const time = `timestamptz '2030-01-01 00:00Z' + i / 3 * interval '1 ms'`;
  await runSql(
    server.database.url,
    `insert into messages (conversation_id, seq, id, sender_user_id, sender_device_id, sent_at, ciphertext)
     select '${id}', i + 1, gen_random_uuid(), case when i % 2 = 0 then '${ada.id}' else '${bob.id}' end::uuid,
       'phone', ${time}, 'm' || i || repeat('x', 200)
     from generate_series(1, ${messageCount}) i;
     update conversations set last_seq = ${messageCount} + 1 where id = '${id}';
     insert into imported_messages
       (user_id, conversation_id, sent_at, id, item_key, sender_user_id, sender_device_id, ciphertext)
     select '${ada.id}', '${id}', ${time}, gen_random_uuid(), gen_random_uuid(), '${ada.id}', 'phone', 'i' || i
     from generate_series(1, ${messageCount}, 100) i;
     analyze;`,
  );
  return { ada, id };
}

async function open(by: DevicePerson, id: string): Promise<IncomingMessage> {
  const sent = request(`${server.url}/messages/export?conversation_id=${id}`, {
    method: "POST",
    headers: { authorization: `Bearer ${by.token}` },
  });
  sent.end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return response;
}

async function countExports(): Promise<number> {
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  const counts = metrics.matchAll(/_count\{[^}]*procedure="archive\.export"[^}]*\} (\d+)/g);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

test(
  "200,000 messages take no more memory than a few, and none is lost, doubled or out of place",
  {
    timeout: 120_000,
  },
  async () => {
    const messageCount = 200_000;
    const { ada, id } = await largeTalk(messageCount);
    const memory = watchMemory();
    const response = await open(ada, id);
    const seen = { own: 0, imported: 0, chunks: 0, wrong: 0 };
    let rest = "";
    let lastTime = "";
    for await (const chunk of response.setEncoding("utf8")) {
      if (seen.chunks++ % 100 === 0) memory.sample();
      const lines = (rest + String(chunk)).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const [, kind, index] = /"ciphertext":"([mi])(\d+)/.exec(line) ?? [];
        const [, time = ""] = /"sent_at":"([^"]+)"/.exec(line) ?? [];
        expect(time >= lastTime || time === "").toBe(true);
        if (time !== "") lastTime = time;
        if (kind === "m") expect(Number(index)).toBe(++seen.own);
        if (kind === "i") seen.imported++;
      }
    }
    expect(rest).toContain(`"ciphertext":"m${messageCount}x`);
    expect(rest.endsWith('],"attachments":[]}')).toBe(true);
    expect(seen).toMatchObject({ own: messageCount - 1, imported: messageCount / 100, wrong: 0 });
    expect(memory.medianBytes()).toBeLessThan(30_000_000);
  },
);

test(
  "a client that does not read holds nothing, and one that goes away ends the export",
  {
    timeout: 60_000,
  },
  async () => {
    const { ada, id } = await largeTalk(50_000);
    const before = await countExports();
    const response = await open(ada, id);
    await once(response, "readable");
    // Nothing is read from here on: the server stops too once the sockets' buffers are full.
    const memory = watchMemory();
    for (let i = 0; i < 5; i++) {
      await historyOf(ada, id);
      memory.sample();
    }
    expect(memory.medianBytes()).toBeLessThan(20_000_000);
    expect(await countExports()).toBe(before);
    response.destroy();
    while ((await countExports()) === before) await historyOf(ada, id);
  },
);
