import type { ConversationId } from "@sotto/schema";
import { afterAll, describe, expect, test } from "vitest";
import type { Json, RestAnswer } from "../rest-client.ts";
import { runSql } from "../sql.ts";
import { startTestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";
import { unknownId } from "./contract-routes.ts";
import { fieldList, outcome, placesOf, rest } from "./described-rest.ts";
import { newPair, newPerson, sendAll, type DevicePerson } from "./people.ts";
import { aTime, aUuidV7 } from "./shapes.ts";

const server = await startTestServer();
const other = await startTestServer({ database: server.database });
afterAll(async () => {
  await other[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const noMessage = { status: 404, detail: "Message not found" };
const ok = { status: 200, detail: "ok" };

async function messageBetween(ada: DevicePerson, bob: DevicePerson): Promise<{ id: string; log: string }> {
  const [message] = await sendAll(server.url, ada, bob, ["a"]);
  return { id: String(message?.["id"]), log: String(message?.["conversation_id"]) };
}

function react(by: DevicePerson, id: string, emoji: unknown, url = server.url): Promise<RestAnswer> {
  return rest(url, `POST /messages/${id}/reactions`, { token: by.token, body: { emoji } });
}

function takeBack(by: DevicePerson, id: string, emoji: string): Promise<RestAnswer> {
  const route = `DELETE /messages/${id}/reactions?emoji=${encodeURIComponent(emoji)}`;
  return rest(server.url, route, { token: by.token });
}

async function reactionsTo(id: string, reader: DevicePerson, query = ""): Promise<Json[]> {
  const answer = await rest(server.url, `GET /messages/${id}/reactions${query}`, { token: reader.token });
  return fieldList(answer, "reactions");
}

async function lastSeq(log: string): Promise<number> {
  const row = await server.app.db
    .selectFrom("conversations")
    .select("last_seq")
    .where("id", "=", log as ConversationId)
    .executeTakeFirstOrThrow();
  return row.last_seq;
}

test("a reaction is given, listed, told, and taken back", async () => {
  const [ada, bob] = await newPair(server.url);
  const { id, log } = await messageBetween(ada, bob);
  await using socket = await WsClient.connect(server.url, { token: ada.token });

  const mine = await react(bob, id, "👍");
  expect(mine.body).toEqual({ id: aUuidV7, message_id: id, user_id: bob.id, emoji: "👍", created_at: aTime });
  const heart = await react(ada, id, "❤️");
  for (const reader of [ada, bob]) expect(await reactionsTo(id, reader)).toEqual([mine.body, heart.body]);
  expect(outcome(await takeBack(bob, id, "👍"))).toEqual(ok);
  expect(await reactionsTo(id, ada)).toEqual([heart.body]);

  await socket.next("reaction_removed");
  const told = { message_id: id, log };
  expect(socket.frames).toEqual([
    { type: "reaction", ...told, user_id: bob.id, emoji: "👍", seq: 2 },
    { type: "reaction", ...told, user_id: ada.id, emoji: "❤️", seq: 3 },
    { type: "reaction_removed", ...told, user_id: bob.id, emoji: "👍", seq: 4 },
  ]);
});

test("a device that was away is given reactions in their place", async () => {
  const [ada, bob] = await newPair(server.url);
  const { id } = await messageBetween(ada, bob);
  await react(ada, id, "1");
  await sendAll(server.url, ada, bob, ["b"]);
  await using socket = await WsClient.connect(server.url, { token: bob.token, resume: true });
  await socket.next("caught_up");
  const types = socket.frames.filter((frame) => frame["log"] !== bob.id).map((frame) => frame["type"]);
  expect(types).toEqual(["message", "reaction", "message", "caught_up"]);
});

test("the same again is the same one, and no other entry", async () => {
  const [ada, bob] = await newPair(server.url);
  const { id, log } = await messageBetween(ada, bob);
  const first = await react(bob, id, "👍");
  expect((await react(bob, id, "👍")).body).toEqual(first.body);
  expect(await lastSeq(log)).toBe(2);
  await takeBack(bob, id, "👍");
  expect(outcome(await takeBack(bob, id, "👍"))).toEqual(ok);
  expect(await lastSeq(log)).toBe(3);
  expect((await react(bob, id, "👍")).body["id"]).not.toBe(first.body["id"]);
});

test("20 equal reactions at the same time on two processes are one", async () => {
  const [ada, bob] = await newPair(server.url);
  const { id, log } = await messageBetween(ada, bob);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => react(bob, id, "👍", i % 2 === 0 ? server.url : other.url)),
  );
  expect(new Set(answers.map(({ body }) => body["id"])).size).toBe(1);
  expect(await lastSeq(log)).toBe(2);
});

test("Idempotency-Key gives the first answer, also after the reaction was taken back", async () => {
  const [ada, bob] = await newPair(server.url);
  const { id } = await messageBetween(ada, bob);
  const request = { token: bob.token, body: { emoji: "👍" }, headers: { "idempotency-key": "k" } };
  const first = await rest(server.url, `POST /messages/${id}/reactions`, request);
  await takeBack(bob, id, "👍");
  expect((await rest(server.url, `POST /messages/${id}/reactions`, request)).body).toEqual(first.body);
  expect(await reactionsTo(id, bob)).toEqual([]);
});

test.each([
  ["a flag of tags", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"],
  ["a family", "👩🏻‍❤️‍💋‍👩🏿"],
  ["16 of two UTF-16 units", "👍".repeat(16)],
  ["letters", "+1"],
  ["a percent sign and a plus", "%+&"],
])("an emoji may be %s", async (_, emoji) => {
  const [ada, bob] = await newPair(server.url);
  const { id } = await messageBetween(ada, bob);
  expect((await react(bob, id, emoji)).body["emoji"]).toBe(emoji);
  expect(outcome(await takeBack(bob, id, emoji))).toEqual(ok);
  expect(await reactionsTo(id, ada)).toEqual([]);
});

test.each([
  ["missing", undefined],
  ["null", null],
  ["empty", ""],
  ["a number", 1],
  ["17 characters", "x".repeat(17)],
  ["17 of two units", "👍".repeat(17)],
  ["a control character", "a\u0007"],
  ["NUL", "\0"],
  ["half a pair", "\ud83d"],
])("an emoji may not be %s", async (_, emoji) => {
  const [ada, bob] = await newPair(server.url);
  const { id } = await messageBetween(ada, bob);
  expect(placesOf(await react(bob, id, emoji))).toEqual(["body.emoji"]);
  const route = `DELETE /messages/${id}/reactions`;
  expect(placesOf(await rest(server.url, route, { token: bob.token }))).toEqual(["query.emoji"]);
});

test("one user puts 16 emoji on a message and no more", async () => {
  const [ada, bob] = await newPair(server.url);
  const { id } = await messageBetween(ada, bob);
  for (let i = 0; i < 16; i++) expect((await react(bob, id, `e${i}`)).status).toBe(200);
  expect(outcome(await react(bob, id, "e16"))).toEqual({
    status: 409,
    detail: "Too many reactions to this message",
  });
  expect((await react(bob, id, "e3")).status).toBe(200);
  expect((await react(ada, id, "e16")).status).toBe(200);
  await takeBack(bob, id, "e3");
  expect((await react(bob, id, "e16")).status).toBe(200);
});

test("a long list comes in pages", async () => {
  const [ada, bob] = await newPair(server.url);
  const { id } = await messageBetween(ada, bob);
  for (const emoji of ["1", "2", "3", "4", "5"]) await react(bob, id, emoji);
  const first = await reactionsTo(id, ada, "?limit=2");
  const second = await reactionsTo(id, ada, `?limit=2&after=${String(first[1]?.["id"])}`);
  const third = await reactionsTo(id, ada, `?after=${String(second[1]?.["id"])}`);
  expect([first, second, third].map((page) => page.map(({ emoji }) => emoji))).toEqual([
    ["1", "2"],
    ["3", "4"],
    ["5"],
  ]);
  expect(await reactionsTo(id, ada, `?after=${unknownId}`)).toEqual([]);
  const answer = await rest(server.url, `GET /messages/${id}/reactions?limit=1001&after=x`, {
    token: ada.token,
  });
  expect(placesOf(answer).toSorted()).toEqual(["query.after", "query.limit"]);
});

describe("who", () => {
  test("to a stranger the message does not exist", async () => {
    const [ada, bob] = await newPair(server.url);
    const eve = await newPerson(server.url);
    const { id } = await messageBetween(ada, bob);
    for (const each of [id, unknownId]) {
      expect(outcome(await react(eve, each, "👍"))).toEqual(noMessage);
      expect(outcome(await takeBack(eve, each, "👍"))).toEqual(noMessage);
      const list = await rest(server.url, `GET /messages/${each}/reactions`, { token: eve.token });
      expect(outcome(list)).toEqual(noMessage);
    }
    expect((await rest(server.url, `POST /messages/${id}/reactions`, { body: { emoji: "a" } })).status).toBe(
      401,
    );
  });

  test("a former member sees the reactions of the time, and reacts no more", async () => {
    const [ada, bob] = await newPair(server.url);
    const { id, log } = await messageBetween(ada, bob);
    await react(ada, id, "1");
    await runSql(
      server.database.url,
      `update conversation_members set to_seq = 2 where conversation_id = '${log}' and user_id = '${bob.id}'`,
    );
    await react(ada, id, "2");
    expect((await reactionsTo(id, bob)).map(({ emoji }) => emoji)).toEqual(["1"]);
    expect((await reactionsTo(id, ada)).map(({ emoji }) => emoji)).toEqual(["1", "2"]);
    expect(outcome(await react(bob, id, "3"))).toEqual(noMessage);
    expect(outcome(await takeBack(bob, id, "1"))).toEqual(noMessage);
  });

  test("across a block nobody reacts, and a reaction may be taken back", async () => {
    const [ada, bob] = await newPair(server.url);
    const { id } = await messageBetween(ada, bob);
    await react(ada, id, "1");
    await rest(server.url, `POST /blocks?blocked_user_id=${ada.id}`, { token: bob.token });
    expect(outcome(await react(ada, id, "2"))).toEqual({ status: 403, detail: "You are blocked" });
    expect(outcome(await react(bob, id, "2"))).toEqual({ status: 403, detail: "Recipient blocked" });
    expect(outcome(await takeBack(ada, id, "1"))).toEqual(ok);
    expect(await reactionsTo(id, bob)).toEqual([]);
  });

  test("an archived group takes no reactions, and gives them back", async () => {
    const ada = await newPerson(server.url);
    const post = async (path: string, body?: unknown): Promise<Json> =>
      (await rest(server.url, `POST ${path}`, { token: ada.token, body })).body;
    const group = String((await post("/groups", { name: "g" }))["id"]);
    const message = { conversation_id: group, sender_device_id: ada.deviceId, ciphertext: "a" };
    const [id] = (await post("/messages/send_group", message))["message_ids"] as string[];
    await react(ada, String(id), "1");
    await post(`/groups/${group}/archive`);
    expect(outcome(await react(ada, String(id), "2"))).toEqual({ status: 409, detail: "Group archived" });
    expect(outcome(await takeBack(ada, String(id), "1"))).toEqual(ok);
  });
});
