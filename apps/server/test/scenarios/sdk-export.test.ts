import { encodeBase64url } from "@sotto/schema";
import { SottoError } from "@sotto/sdk";
import { expect, test } from "vitest";
import { Proxy } from "../proxy.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

type Line = Record<string, unknown> & { type: string };

function linesOf(text: string): Line[] {
  expect(text.endsWith("\n")).toBe(true);
  return text
    .slice(0, -1)
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}

const textOf = (stream: ReadableStream<Uint8Array>): Promise<string> =>
  new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).text();

test("the user takes the history away: names, senders, times, answers, reactions, edits, deletions, files", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: proxy.url });
  await using bob = await TestUser.open(server);
  const group = await alice.client.groups.create("Lighthouse", { memberUserIds: [bob.userId] });
  const question = await group.send("Saturday?");
  const named = { senderUserId: alice.userId, clientMessageId: question.clientMessageId };
  await bob.untilReceived(1);
  const his = bob.client.groups.get(group.groupId);
  await his.reply(named, "at six\nor \u2028 seven");
  await his.react(named, "👍");
  await group.edit(named, "Sunday?");
  const gone = await group.send("gone");
  await group.delete({ senderUserId: alice.userId, clientMessageId: gone.clientMessageId });
  const sent = await alice.to(bob).sendFile(new Blob(["a map"]), { name: "map.txt", type: "text/plain" });
  await alice.untilShows(group, ["(created)", "Sunday?", "at six\nor \u2028 seven", "(deleted)"]);
  await alice.untilAsync("what Bob did", async () => (await group.find(named))?.reactions.length === 1);
  await alice.untilAsync("the file", async () => (await alice.to(bob).messages()).messages[0]?.seq === 1);
  proxy.goOffline();
  const waiting = group.send("unsent").catch((error: unknown) => error);
  await alice.untilAsync("the unsent one", async () => (await group.messages()).messages.length === 5);

  const told: unknown[] = [];
  const text = await textOf(
    await alice.client.conversations.export({
      nameOf: (userId) => (userId === bob.userId ? "Bob" : undefined),
      onProgress: (progress) => told.push(progress),
    }),
  );
  const lines = linesOf(text);
  expect(lines[0]).toMatchObject({ type: "export", format: "sotto-export/v1", userId: alice.userId });
  expect(lines.at(-1)).toEqual({ type: "end", conversations: 2, messages: 6 });
  expect(told.at(-1)).toEqual({ conversations: 2, totalConversations: 2, messages: 6 });
  expect(lines.filter(({ type }) => type === "conversation")).toEqual(
    expect.arrayContaining([
      { type: "conversation", id: group.groupId, isGroup: true, peerUserId: null, name: "Lighthouse" },
      expect.objectContaining({ isGroup: false, peerUserId: bob.userId, name: "Bob" }),
    ]),
  );
  const ofGroup = lines.filter((line) => line["conversationId"] === group.groupId);
  expect(ofGroup).toMatchObject([
    { content: { kind: "group", action: "created" }, isOwn: true },
    {
      seq: 2,
      senderUserId: alice.userId,
      senderName: null,
      content: { kind: "text", text: "Sunday?" },
      editedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      reactions: [{ emoji: "👍", userIds: [bob.userId] }],
    },
    {
      senderName: "Bob",
      sentAt: expect.stringMatching(/^\d{4}-.*Z$/),
      content: { text: "at six\nor \u2028 seven", replyTo: named },
      isOwn: false,
      state: "received",
    },
    { content: { kind: "deleted", by: "author" } },
    { content: { text: "unsent" }, state: "queued", seq: null },
  ]);
  const found = await alice.to(bob).find({ senderUserId: alice.userId, ...sent });
  if (found?.content.kind !== "file") throw new Error("no file");
  const { blobId, ciphertextSha256, ageIdentity } = found.content;
  expect(lines.find((line) => line["id"] === sent.id)).toMatchObject({
    content: {
      kind: "file",
      name: "map.txt",
      mimeType: "text/plain",
      size: 5,
      blobId,
      ciphertextSha256: encodeBase64url(ciphertextSha256),
    },
  });
  expect(text).not.toContain(ageIdentity);
  expect(text).not.toContain("gone");

  const aborting = new AbortController();
  const stream = await alice.client.conversations.export({ signal: aborting.signal });
  const reader = stream.getReader();
  await reader.read();
  aborting.abort();
  const failed = await (async () => {
    while (!(await reader.read()).done);
  })().catch((error: unknown) => error);
  expect(failed instanceof SottoError && failed.code).toBe("ABORTED");
  proxy.goOnline();
  await waiting;
}, 60_000);
