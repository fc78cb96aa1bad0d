import type { ContractRouter } from "@sotto/schema";
import { createTRPCClient, httpLink } from "@trpc/client";
import { afterAll, expect, test } from "vitest";
import { newGroup, newMembers, sendToGroup } from "../groups.ts";
import { startTestServer } from "../test-server.ts";
import { listOf, rest } from "./described-rest.ts";
import { newPair, newPerson, sendAll } from "./people.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());

const trpc = (token: string) =>
  createTRPCClient<ContractRouter>({
    links: [httpLink({ url: `${server.url}/trpc`, headers: { authorization: `Bearer ${token}` } })],
  });
const readBy = async (token: string, id: unknown) =>
  listOf(await rest(server.url, `GET /messages/${String(id)}/receipts`, { token })).map(
    ({ device_id, delivered, read }) => [device_id, delivered, read],
  );
const unread = async (token: string) => {
  const { body } = await rest(server.url, "GET /messages/conversations_summary", { token });
  return (body["conversations"] as { unread_count: number }[]).map(({ unread_count }) => unread_count);
};

const ofBoth = (isRead: boolean) => [
  ["phone", isRead, isRead],
  ["tablet", false, false],
];

test("reads a message and all before it, on this device, and tells the author of each once", async () => {
  const [ada, bob] = await newPair(server.url);
  const tablet = await newPerson(server.url, "tablet", bob.phone);
  const [first, second, third] = await sendAll(server.url, ada, bob, ["1", "2", "3"]);
  const messageId = String(second?.["id"]);
  for (let time = 0; time < 2; time++) await trpc(bob.token).messages.ackReadThrough.mutate({ messageId });
  expect(await readBy(ada.token, first?.["id"])).toEqual(ofBoth(true));
  expect(await readBy(ada.token, second?.["id"])).toEqual(ofBoth(true));
  expect(await readBy(ada.token, third?.["id"])).toEqual(ofBoth(false));
  expect(await unread(bob.token)).toEqual([1]);

  const account = await trpc(ada.token).sync.fill.query({ log: ada.id, fromSeq: 1, toSeq: 100 });
  const reads = account.entries.filter(({ event }) => event.type === "message.read");
  expect(reads).toHaveLength(2);
  // What one device has read is no news from another.
  await trpc(tablet.token).messages.ackReadThrough.mutate({ messageId });
  const after = await trpc(ada.token).sync.fill.query({ log: ada.id, fromSeq: 1, toSeq: 100 });
  expect(after.entries.filter(({ event }) => event.type === "message.read")).toHaveLength(2);
  // The reader's own devices are told once how far it was.
  const own = await trpc(bob.token).sync.fill.query({ log: bob.id, fromSeq: 1, toSeq: 100 });
  expect(own.entries.flatMap(({ event }) => (event.type === "conversation.read" ? [event] : []))).toEqual([
    { type: "conversation.read", conversationId: second?.["conversation_id"], throughSeq: 2 },
  ]);
});

test("is refused for a message that one may not see", async () => {
  const [ada, bob] = await newPair(server.url);
  const stranger = await newPerson(server.url, "phone");
  const [message] = await sendAll(server.url, ada, bob, ["1"]);
  await expect(
    trpc(stranger.token).messages.ackReadThrough.mutate({ messageId: String(message?.["id"]) }),
  ).rejects.toMatchObject({ data: { sotto: { code: "MESSAGE_NOT_FOUND" } } });
});

test("sync.log says where the log begins and ends for whoever joined late, and hides it from strangers", async () => {
  const [owner, late, stranger] = await newMembers(server.url, 3);
  if (!owner || !late || !stranger) throw new Error("three were made");
  const log = await newGroup(server.url, owner);
  for (const text of ["a", "b"]) await sendToGroup(server.url, owner, log, text);
  await rest(server.url, `POST /groups/${log}/members`, {
    token: owner.token,
    body: { member_user_ids: [late.id] },
  });
  await sendToGroup(server.url, owner, log, "c");
  // Created, two messages, joined, one message.
  expect(await trpc(late.token).sync.log.query({ log })).toMatchObject({ startSeq: 3, lastSeq: 5 });
  expect(await trpc(owner.token).sync.log.query({ log })).toMatchObject({ startSeq: 0, lastSeq: 5 });
  await expect(trpc(stranger.token).sync.log.query({ log })).rejects.toMatchObject({
    data: { sotto: { code: "LOG_NOT_FOUND" } },
  });
});
