import type { ConversationId, MessageId, UserId } from "@sotto/schema";
import { afterAll, expect, test } from "vitest";
import type { Json, RestAnswer } from "../rest-client.ts";
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

interface Group {
  owner: DevicePerson;
  admin: DevicePerson;
  member: DevicePerson;
  id: string;
}

async function must(route: string, by: DevicePerson, body?: unknown): Promise<Json> {
  const answer = await rest(server.url, route, { token: by.token, body });
  expect(answer.status, `${route}: ${JSON.stringify(answer.body)}`).toBe(200);
  return answer.body;
}

async function newGroup(): Promise<Group> {
  const people = [await newPerson(server.url), await newPerson(server.url), await newPerson(server.url)];
  const [owner, admin, member] = people as [DevicePerson, DevicePerson, DevicePerson];
  const made = await must("POST /groups", owner, { name: "g", member_user_ids: [admin.id, member.id] });
  const id = String(made["id"]);
  await must(`POST /groups/${id}/members/${admin.id}/role`, owner, { role: "admin" });
  return { owner, admin, member, id };
}

async function say(group: Group, by: DevicePerson, ciphertext: string): Promise<string> {
  const sent = await must("POST /messages/send_group", by, {
    conversation_id: group.id,
    sender_device_id: by.deviceId,
    ciphertext,
    client_message_id: `c-${ciphertext}`,
  });
  return String((sent["message_ids"] as unknown[])[0]);
}

function del(by: DevicePerson, id: string, url = server.url): Promise<RestAnswer> {
  return rest(url, `DELETE /messages/${id}`, { token: by.token });
}

async function texts(by: DevicePerson, path: string): Promise<unknown[]> {
  const answer = await rest(server.url, `GET /messages/${path}`, { token: by.token });
  return fieldList(answer, "messages").map(({ ciphertext }) => ciphertext);
}

async function rowOf(id: string) {
  return server.app.db
    .selectFrom("messages")
    .select(["ciphertext", "wraps", "deleted_by"])
    .where("id", "=", id as MessageId)
    .executeTakeFirstOrThrow();
}

test("the message says nothing any more, to anybody, and its group is told", async () => {
  const group = await newGroup();
  const { owner, admin, member } = group;
  const kept = await say(group, member, "kept");
  const gone = await say(group, member, "gone");
  await must(`POST /messages/${gone}/reactions`, owner, { emoji: "👎" });
  await using socket = await WsClient.connect(server.url, { token: member.token });
  expect(outcome(await del(admin, gone))).toEqual(ok);

  expect(await rowOf(gone)).toEqual({ ciphertext: "", wraps: null, deleted_by: admin.id });
  expect(await socket.next("message_deleted")).toMatchObject({ message_id: gone, log: group.id });
  const history = `history?conversation_id=${group.id}`;
  for (const reader of [owner, admin, member]) expect(await texts(reader, history)).toEqual(["kept", ""]);
  expect(await texts(owner, "inbox")).toEqual(["kept"]);
  const summary = await rest(server.url, "GET /messages/conversations_summary", owner);
  expect(fieldList(summary, "conversations")[0]).toMatchObject({ unread_count: 1 });
  for (const route of [`GET /messages/${gone}/reactions`, `POST /messages/${gone}/reactions`]) {
    const body = route.startsWith("POST") ? { emoji: "a" } : undefined;
    expect(outcome(await rest(server.url, route, { token: owner.token, body }))).toEqual(noMessage);
  }
  await must(`POST /messages/${kept}/reactions`, owner, { emoji: "👍" });
});

test("a device that was away learns of it in its place, and sees nothing of it", async () => {
  const group = await newGroup();
  const id = await say(group, group.owner, "secret");
  await del(group.owner, id);
  await using socket = await WsClient.connect(server.url, { token: group.member.token, resume: true });
  await socket.next("caught_up");
  expect(socket.ofType("message_deleted").map((frame) => frame["message_id"])).toEqual([id, id]);
  expect(JSON.stringify(socket.frames)).not.toContain("secret");
});

test("it is in the audit once, and again does nothing", async () => {
  const group = await newGroup();
  const id = await say(group, group.member, "a");
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, i) =>
      del(i % 2 ? group.owner : group.admin, id, i % 4 < 2 ? server.url : other.url),
    ),
  );
  for (const answer of answers) expect(outcome(answer)).toEqual(ok);
  expect(outcome(await del(group.owner, id))).toEqual(ok);
  const audit = await must(`GET /admin/audit?conversation_id=${group.id}`, group.owner);
  const acts = (audit["entries"] as Json[]).filter(({ action }) => action === "message_deleted");
  expect(acts).toEqual([
    {
      id: aUuidV7,
      conversation_id: group.id,
      action: "message_deleted",
      actor_user_id: expect.any(String) as unknown,
      target_user_id: group.member.id,
      message_id: id,
      created_at: aTime,
    },
  ]);
  const told = await server.app.db
    .selectFrom("conversation_entries")
    .select("event")
    .where("conversation_id", "=", group.id as ConversationId)
    .execute();
  expect(told.filter(({ event }) => event.type === "message.deleted")).toHaveLength(1);
});

test("a repeated send gives the first answer, and does not bring it back", async () => {
  const group = await newGroup();
  const id = await say(group, group.member, "a");
  await del(group.owner, id);
  expect(await say(group, group.member, "a")).toBe(id);
  expect((await rowOf(id)).ciphertext).toBe("");
});

test("for the owner and admins, in groups", async () => {
  const group = await newGroup();
  const id = await say(group, group.member, "a");
  expect((await del(group.member, id)).status).toBe(403);
  const stranger = await newPerson(server.url);
  for (const each of [id, unknownId]) expect(outcome(await del(stranger, each))).toEqual(noMessage);
  expect((await rest(server.url, `DELETE /messages/${id}`)).status).toBe(401);
  expect(placesOf(await del(group.owner, "not-an-id"))).toEqual(["path.message_id"]);
  const [ada, bob] = await newPair(server.url);
  const [direct] = await sendAll(server.url, ada, bob, ["a"]);
  for (const each of [ada, bob]) {
    const answer = await del(each, String(direct?.["id"]));
    expect(outcome(answer)).toEqual({ status: 400, detail: "Not a group message" });
  }
  expect(outcome(await del(stranger, String(direct?.["id"])))).toEqual(noMessage);
});

test("whoever left deletes nothing, and who came later sees nothing to delete", async () => {
  const group = await newGroup();
  const id = await say(group, group.member, "a");
  await must(`POST /groups/${group.id}/leave`, group.admin);
  expect(outcome(await del(group.admin, id))).toEqual(noMessage);
  const late = await newPerson(server.url);
  await must(`POST /groups/${group.id}/members`, group.owner, { member_user_ids: [late.id] });
  await must(`POST /groups/${group.id}/members/${late.id}/role`, group.owner, { role: "admin" });
  expect(outcome(await del(late, id))).toEqual(noMessage);
});

test("against acks and reactions at the same time: none fails, and nothing is left on it", async () => {
  const group = await newGroup();
  for (let round = 0; round < 5; round++) {
    const id = await say(group, group.member, `r${round}`);
    const post = (path: string, body?: unknown): Promise<RestAnswer> =>
      rest(other.url, `POST /messages/${id}/${path}`, { token: group.admin.token, body });
    const [deleted, ...others] = await Promise.all([
      del(group.owner, id),
      post("ack_read"),
      post("reactions", { emoji: "1" }),
      post("reactions", { emoji: "2" }),
      post("ack_delivered"),
    ]);
    expect(outcome(deleted)).toEqual(ok);
    for (const answer of others) expect([200, 404]).toContain(answer.status);
    const left = await server.app.db
      .selectFrom("reactions")
      .select("id")
      .where("message_id", "=", id as MessageId)
      .execute();
    expect(left).toEqual([]);
    expect((await rowOf(id)).ciphertext).toBe("");
  }
});

test("against attachments at the same time: none is left on it, and its bytes are given back", async () => {
  const group = await newGroup();
  for (let round = 0; round < 5; round++) {
    const id = await say(group, group.member, `a${round}`);
    const attach = (): Promise<RestAnswer> =>
      rest(other.url, `POST /messages/${id}/attachments`, {
        token: group.member.token,
        body: { ciphertext_b64: "aGVsbG8=" },
      });
    expect((await attach()).status).toBe(200);
    const [deleted, ...attached] = await Promise.all([del(group.owner, id), attach(), attach()]);
    expect(outcome(deleted)).toEqual(ok);
    for (const answer of attached) expect([200, 404]).toContain(answer.status);
    const left = await server.app.db
      .selectFrom("attachments")
      .select("id")
      .where("message_id", "=", id as MessageId)
      .execute();
    expect(left).toEqual([]);
  }
  const kept = await server.app.db
    .selectFrom("blobs")
    .select("id")
    .where("user_id", "=", group.member.id as UserId)
    .where("collect_at", "is", null)
    .execute();
  expect(kept).toEqual([]);
});
