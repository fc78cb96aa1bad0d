import { randomUUID } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { createTestDatabase } from "../database.ts";
import { act, historyOf, newGroup, newMembers, rolesOf, sendToGroup, type Member } from "../groups.ts";
import { rest, sendTo, type Json, type Person, type RestAnswer } from "../rest-client.ts";
import { launchServer } from "../server-process.ts";
import { requireRedisUrl } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";

// Two processes that share a database and Redis, and nothing else.
const rounds = 10;
const database = await createTestDatabase();
const options = {
  databaseUrl: database.url,
  env: { REDIS_URL: requireRedisUrl(), CHAT_GROUP_MSGS_PER_MINUTE: "1000000" },
};
const [one, two] = await Promise.all([launchServer(options), launchServer(options)]);
afterAll(async () => {
  await Promise.all([one.kill(), two.kill()]);
  await database[Symbol.asyncDispose]();
});
const { url } = one;
const urls = [one.url, two.url];

/** The i-th of calls that go to both processes in turn. */
function call(i: number, by: Person, route: string, more: object = {}): Promise<RestAnswer> {
  return rest(urls[i % 2] ?? "", route, { token: by.token, ...more });
}

const statuses = (answers: RestAnswer[]): number[] =>
  answers.map(({ status }) => status).toSorted((a, b) => a - b);

async function people<Count extends number>(count: Count): Promise<Member[] & { length: Count }> {
  return (await newMembers(url, count)) as Member[] & { length: Count };
}

test("of two transfers at once one is done: there is one owner", async () => {
  const [owner, a, b] = (await people(3)) as [Member, Member, Member];
  for (let round = 0; round < rounds; round++) {
    const group = await newGroup(url, owner, [a, b]);
    const answers = await Promise.all(
      [a, b].map(({ id }, i) =>
        call(i, owner, `POST /groups/${group}/transfer_ownership`, { body: { new_owner_user_id: id } }),
      ),
    );
    expect(statuses(answers)).toEqual([200, 403]);
    const held = Object.values(await rolesOf(url, owner, group)).toSorted();
    expect(held).toEqual(["admin", "member", "owner"]);
  }
});

test("the last use of an invite is had by one", async () => {
  const [owner, ...many] = (await people(7)) as [Member, ...Member[]];
  for (let round = 0; round < rounds; round++) {
    const group = await newGroup(url, owner);
    const { code } = await act(url, owner, `POST /groups/${group}/invites`, { max_uses: 1 });
    const route = `POST /groups/invites/${String(code)}/accept`;
    const answers = await Promise.all(many.map((person, i) => call(i + round, person, route)));
    expect(statuses(answers)).toEqual([200, 429, 429, 429, 429, 429]);
    expect(Object.keys(await rolesOf(url, owner, group))).toHaveLength(2);
  }
});

test("who leaves as they are removed goes once, and nothing is told twice", async () => {
  const [owner, leaver] = (await people(2)) as [Member, Member];
  await using socket = await WsClient.connect(two.url, { token: owner.token, resume: true });
  await socket.next("caught_up");
  for (let round = 0; round < rounds; round++) {
    const group = await newGroup(url, owner, [leaver]);
    const [left, removed] = await Promise.all([
      call(round, leaver, `POST /groups/${group}/leave`),
      call(round + 1, owner, `DELETE /groups/${group}/members/${leaver.id}`),
    ]);
    expect(statuses([left, removed])).toEqual([200, 404]);
    await sendToGroup(url, owner, group, "after");
    const after = (): Json | undefined => framesOf(socket, group).find(({ type }) => type === "message");
    await socket.until("the message after it", () => after() !== undefined);
    const told = framesOf(socket, group).filter(
      ({ action }) => action === "member_left" || action === "member_removed",
    );
    expect(told.map(({ action }) => action)).toEqual([
      left.status === 200 ? "member_left" : "member_removed",
    ]);
    expect(await historyOf(url, leaver, group)).toEqual([]);
  }
});

test("a send that a block meets is stored before it or refused", async () => {
  for (let round = 0; round < rounds; round++) {
    const [sender, blocker] = (await people(2)) as [Member, Member];
    await sendTo(url, sender, { to: blocker.id, ciphertext: "first" });
    const body = { recipient_user_id: blocker.id, sender_device_id: "phone", ciphertext: "c" };
    const sends = Array.from({ length: 6 }, (_, i) => call(i, sender, "POST /messages/send", { body }));
    const block = call(round, blocker, `POST /blocks?blocked_user_id=${sender.id}`);
    const answers = await Promise.all(sends);
    expect((await block).status).toBe(200);
    for (const { status, body: refusal } of answers) {
      if (status !== 200)
        expect({ status, refusal }).toEqual({ status: 403, refusal: { detail: "You are blocked" } });
    }
    const stored = answers.filter(({ status }) => status === 200).map((answer) => answer.body["id"]);
    const inbox = await act(url, blocker, "GET /messages/inbox");
    const ids = (inbox["messages"] as Json[]).map(({ id }) => id);
    expect(new Set(ids.slice(1))).toEqual(new Set(stored));
    expect((await call(round + 1, sender, "POST /messages/send", { body })).status).toBe(403);
  }
});

test("what is read as it is deleted is gone, and counted by nobody", async () => {
  const [owner, reader] = (await people(2)) as [Member, Member];
  const group = await newGroup(url, owner, [reader]);
  await using socket = await WsClient.connect(two.url, { token: reader.token, resume: true });
  await using ofOwner = await WsClient.connect(one.url, { token: owner.token, resume: true });
  await Promise.all([socket.next("caught_up"), ofOwner.next("caught_up")]);
  for (let round = 0; round < rounds; round++) {
    const id = await sendToGroup(url, owner, group, "to be deleted");
    const kind = round % 2 ? "read" : "delivered";
    const [acked, deleted] = await Promise.all([
      call(round, reader, `POST /messages/${id}/ack_${kind}`),
      call(round + 1, owner, `DELETE /messages/${id}`),
    ]);
    expect(deleted.status).toBe(200);
    expect([200, 404]).toContain(acked.status);
    const isOf = (frame: Json): boolean => frame["message_id"] === id;
    await socket.until("the deletion", () => socket.ofType("message_deleted").some(isOf));
    for (const type of ["delivered", "read"]) {
      const told = ofOwner.ofType(type).filter(isOf);
      expect(told.length, `${type} is told of once, if at all`).toBeLessThanOrEqual(1);
    }
  }
  expect((await act(url, reader, "GET /messages/inbox"))["messages"]).toEqual([]);
  const summary = await act(url, reader, "GET /messages/conversations_summary");
  expect(summary["conversations"]).toMatchObject([{ id: group, unread_count: 0 }]);
  expect(await historyOf(url, reader, group)).toEqual(Array(rounds).fill(""));
  const seqs = framesOf(socket, group).map(({ seq }) => Number(seq));
  expect(seqs, "the log has no gap").toEqual(seqs.map((_, i) => (seqs[0] ?? 0) + i));
});

test("twenty equal requests on both make one thing, whatever is made", async () => {
  const [ada, bob] = (await people(2)) as [Member, Member];
  const message = await sendTo(url, bob, { to: ada.id, ciphertext: "c" });
  const group = await newGroup(url, ada, [bob]);
  const creating: [string, object][] = [
    ["POST /groups", { name: "Once" }],
    [`POST /groups/${group}/invites`, { max_uses: 3 }],
    ["POST /messages/send", { recipient_user_id: bob.id, sender_device_id: "phone", ciphertext: "once" }],
    ["POST /messages/send_group", { conversation_id: group, sender_device_id: "phone", ciphertext: "once" }],
    [`POST /messages/${String(message["id"])}/reactions`, { emoji: "1" }],
    ["POST /keys/publish", { public_key: "k" }],
    [
      `POST /messages/import?conversation_id=${String(message["conversation_id"])}`,
      { messages: [{ ciphertext: "once", sent_at: "2020-01-01T00:00:00Z" }] },
    ],
  ];
  for (const [route, body] of creating) {
    const headers = { "idempotency-key": randomUUID() };
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => call(i, ada, route, { body, headers })),
    );
    for (const answer of answers) {
      expect(answer.status, route).toBe(200);
      expect(answer.body, route).toEqual(answers[0]?.body);
    }
  }
  const groups = (await act(url, ada, "GET /groups")) as unknown as Json[];
  expect(groups.filter(({ name }) => name === "Once")).toHaveLength(1);
  expect((await act(url, ada, "GET /keys/me")) as unknown).toHaveLength(2);
  const invites = (await act(url, ada, `GET /groups/${group}/invites`)) as unknown;
  expect(invites).toHaveLength(1);
  expect(await historyOf(url, ada, group)).toEqual(["once"]);
  expect(await historyOf(url, ada, String(message["conversation_id"]))).toEqual(["once", "c", "once"]);
});

/** The frames of a conversation's log, in the order in which they came. */
function framesOf({ frames }: WsClient, log: string): Json[] {
  return frames.filter((frame) => frame["log"] === log);
}
