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
    // Those of the same time stay in the order of the import; ids of one millisecond are in none.
    const ids = input.messages.map(() => call.app.newId<MessageId>()).toSorted();
    const known = { ids, times, members: new Set(members), counts: new Map<string, number>() };
    const created: MessageId[] = [];
    // Made batch by batch, each after the insert of the one before: hashing 32 MiB at once would hold up the event loop.
    for (let start = 0; start < input.messages.length; start += batchSize) {
      const items = toImports(call, input.messages.slice(start, start + batchSize), { ...known, start });
      const stored = new Set(await insertImported(tx, owner, items));
      created.push(...items.flatMap(({ id }) => (stored.has(id) ? id : [])));
    }
    if (total + created.length > maxPerUser) throw new AppError("IMPORT_LIMIT_REACHED");
    await raiseTotal(tx, userId, created.length);
    return { detail: "ok" as const, created };
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

/** Gives each item from `start` on its new id and the key by which it is known again. */
function toImports(
  call: Call,
  items: ImportItem[],
  known: {
    start: number;
    ids: MessageId[];
    times: Date[];
    members: Set<UserId>;
    counts: Map<string, number>;
  },
): NewImport[] {
  return items.map((item, i) => {
    const { id: givenId = null, ciphertext, wrap = null, senderUserId } = item;
    const isMember = senderUserId && known.members.has(senderUserId);
    return {
      id: known.ids[known.start + i] ?? call.app.newId(),
      itemKey: givenId === null ? hashContent(item, known.counts) : hashKey(["id", givenId]),
      givenId,
      senderUserId: isMember ? senderUserId : call.caller.userId,
      senderDeviceId: item.senderDeviceId ?? importedDevice,
      sentAt: known.times[known.start + i] ?? call.app.now(),
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
