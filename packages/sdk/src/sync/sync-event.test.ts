import { conversationId, userId } from "@sotto/schema";
import { expect, test } from "vitest";
import { parseFilled, parseStreamEvent } from "./sync-event.ts";

const id = (n: number) => `0197a2f0-0000-7000-8000-${n.toString(16).padStart(12, "0")}`;
const [account, alice] = [userId.parse(id(1)), userId.parse(id(2))];
const [here, elsewhere] = [conversationId.parse(id(3)), conversationId.parse(id(4))];

const message = {
  id: id(5),
  conversationId: here,
  senderUserId: alice,
  senderDeviceId: "device",
  recipientUserId: account,
  ciphertext: "any",
  wrap: null,
  delivered: false,
  read: false,
  sentAt: "2026-01-01T00:00:00.000Z",
};
const created = { type: "message.created", message };
const of = { conversationId: here, messageId: id(5) };
const told = [
  { type: "reaction.added", ...of, userId: alice, emoji: "👍" },
  { type: "reaction.removed", ...of, userId: alice, emoji: "👍" },
  { type: "attachment.added", ...of, attachmentId: id(6) },
  { type: "message.deleted", ...of, userId: alice },
  { type: "group.changed", conversationId: here, action: "renamed", actorUserId: alice, name: "new" },
];
const ofAccount = [
  { type: "message.delivered", ...of, userId: alice, deviceId: null },
  { type: "message.read", ...of, userId: alice, deviceId: null },
  { type: "conversation.read", conversationId: here, throughSeq: 1 },
  { type: "device_list.signed", version: 1 },
];

/** What an entry of a log becomes, told in either way. */
function take(log: string, event: unknown) {
  const entry = { log, seq: 1, at: "2026-01-01T00:00:00.000Z", event };
  const [filled] = parseFilled({ entries: [entry] }, account);
  expect(parseStreamEvent({ type: "entry", ...entry }, account)).toEqual({ type: "entry", entry: filled });
  return filled;
}

test("a fill that is none is a bad answer", () => {
  for (const answer of [undefined, { entries: [{ log: here, seq: "1", event: created }] }]) {
    expect(() => parseFilled(answer, account)).toThrow(expect.objectContaining({ code: "BAD_ANSWER" }));
  }
});

test("what is in the log that it speaks of counts", () => {
  for (const event of [created, ...told]) {
    expect(take(here, event)).toMatchObject({ event });
    expect(take(here, event)?.refused).toBeUndefined();
  }
  for (const event of ofAccount) expect(take(account, event)).toMatchObject({ event });
});

test("a message in another log is refused, anything else there counts as a number", () => {
  for (const log of [elsewhere, account]) {
    expect(take(log, created)).toMatchObject({ event: created, refused: "wrong_conversation" });
    for (const event of told) expect(take(log, event)?.event).toBeUndefined();
  }
  for (const event of ofAccount) expect(take(here, event)?.event).toBeUndefined();
});

test("a message that breaks its shape is shown as such, an event of an unknown kind counts as a number", () => {
  const broken = { ...created, message: { ...message, ciphertext: 5, wrap: 5 } };
  expect(take(here, broken)).toMatchObject({
    event: { message: { id: message.id, senderUserId: alice } },
    refused: "malformed",
  });
  expect(take(elsewhere, broken)?.refused).toBe("wrong_conversation");
  expect(take(here, { type: "message.created", message: { id: message.id } })?.event).toBeUndefined();
  expect(take(here, { type: "weather.changed" })?.event).toBeUndefined();
});
