import { createHash } from "node:crypto";
import {
  maxCiphertextBytes,
  parseTime,
  type ConversationId,
  type DeviceId,
  type ImportItem,
  type MessageId,
  type UserId,
} from "@sotto/schema";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { transact } from "../../pipeline/transact.ts";
import { listMembersAmong, requireMember } from "../conversations/conversations.service.ts";
import { insertImported, lockTotal, raiseTotal, type NewImport } from "./archive.queries.ts";

export { findImported, listNewestImported, type ImportedRow } from "./archive.queries.ts";

/** Most messages that one user imports in all. */
const maxPerUser = 5_000_000;
const batchSize = 1_000;
const maxIssues = 20;
/** How far ahead of ours a clock may be. */
const maxAheadMs = 86_400_000;
/** Stands for the device of an item that names none. */
const importedDevice = "imported" as DeviceId;

/**
 * Stores messages as history of the importer alone: no entry, no delivery, no receipt. What was
 * imported before is left out, also when the same import runs twice at the same time.
 */
export async function importMessages(
  call: Call,
  input: { conversationId: ConversationId; messages: ImportItem[] },
): Promise<{ detail: "ok"; created: MessageId[] }> {
  const { userId } = call.caller;
  const owner = { userId, conversationId: input.conversationId };
  await requireMember(call, owner.conversationId);
  const times = requireSound(input.messages, call.app.now());
  return transact(call, async (tx) => {
    const total = await lockTotal(tx, userId);
    const named = input.messages.flatMap(({ senderUserId }) => senderUserId ?? []);
    const members = await listMembersAmong(tx, owner.conversationId, [...new Set(named)]);
    const items = toImports(call, input.messages, { times, members: new Set(members) });
    const stored = new Set<MessageId>();
    for (let start = 0; start < items.length; start += batchSize) {
      for (const id of await insertImported(tx, owner, items.slice(start, start + batchSize))) stored.add(id);
    }
    if (total + stored.size > maxPerUser) throw new AppError("IMPORT_LIMIT_REACHED");
    await raiseTotal(tx, userId, stored.size);
    return { detail: "ok" as const, created: items.map(({ id }) => id).filter((id) => stored.has(id)) };
  });
}

/** Refuses the whole import when an item is none; gives the items' times. */
function requireSound(items: ImportItem[], now: Date): Date[] {
  const issues: { loc: (string | number)[]; msg: string; type: string }[] = [];
  const times = items.map(({ ciphertext, sentAt }, i) => {
    if (Buffer.byteLength(ciphertext) > maxCiphertextBytes) {
      const msg = `Too big: at most ${maxCiphertextBytes} bytes`;
      issues.push({ loc: ["messages", i, "ciphertext"], msg, type: "too_big" });
    }
    const time = sentAt ? parseTime(sentAt) : now.getTime();
    if (time !== undefined && time >= 0 && time <= now.getTime() + maxAheadMs) return new Date(time);
    const msg = time === undefined ? "Not a time" : "Before 1970, or in the future";
    issues.push({ loc: ["messages", i, "sentAt"], msg, type: "invalid_format" });
    return now;
  });
  if (issues.length > 0) throw new AppError("VALIDATION_FAILED", { issues: issues.slice(0, maxIssues) });
  return times;
}

/** Gives each item its new id, in order, and the key by which it is known again. */
function toImports(
  call: Call,
  items: ImportItem[],
  known: { times: Date[]; members: Set<UserId> },
): NewImport[] {
  const counts = new Map<string, number>();
  return items.map((item, i) => {
    const { id: givenId = null, ciphertext, wrap = null, senderUserId } = item;
    const isMember = senderUserId && known.members.has(senderUserId);
    return {
      id: call.app.newId<MessageId>(),
      itemKey: givenId === null ? hashContent(item, counts) : hashKey(["id", givenId]),
      givenId,
      senderUserId: isMember ? senderUserId : call.caller.userId,
      senderDeviceId: item.senderDeviceId ?? importedDevice,
      sentAt: known.times[i] ?? call.app.now(),
      ciphertext,
      wrap,
    };
  });
}

/** An item without an id is known by what it says, and by how many before it in its import say the same. */
function hashContent(item: ImportItem, counts: Map<string, number>): string {
  const content = hashKey([item.ciphertext, item.sentAt ?? null, item.senderDeviceId ?? null]);
  const earlier = counts.get(content) ?? 0;
  counts.set(content, earlier + 1);
  return hashKey(["content", content, earlier]);
}

function hashKey(parts: unknown[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32);
}
