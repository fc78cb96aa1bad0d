import { messageId as messageIdSchema, parseTime, type ConversationId, type MessageId } from "@sotto/schema";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { findImported } from "../archive/imports.service.ts";
import { findFirstSeqAt, findVisibleMessage } from "./messages.queries.ts";

/**
 * A place between two messages, where a conversation's own and what the reader imported are read as
 * one list: by time; at the same time the imported ones first, by id, then the others, by number.
 */
export interface Place {
  /** Own messages below this number come before it. */
  seq: number;
  /** Imported messages below this time and id come before it. */
  at: Date;
  id: string;
}

const lowestId = "00000000-0000-0000-0000-000000000000";
const highestId = "ffffffff-ffff-ffff-ffff-ffffffffffff";

export const startPlace: Place = { seq: 0, at: new Date(0), id: lowestId };
export const endPlace: Place = {
  seq: Number.MAX_SAFE_INTEGER,
  at: new Date(Date.UTC(9999, 11, 31)),
  id: highestId,
};

/** The place before all that was sent at a time or later. */
async function findPlaceAt(call: Call, conversationId: ConversationId, at: Date): Promise<Place> {
  return { seq: await findFirstSeqAt(call.app.db, conversationId, at), at, id: lowestId };
}

/** The place before a time or a message, as `before` names it. */
export async function findPlaceBefore(
  call: Call,
  conversationId: ConversationId,
  before: string | null | undefined,
): Promise<Place> {
  if (!before) return endPlace;
  const id = messageIdSchema.safeParse(before);
  if (id.success) return findPlaceOf(call, conversationId, id.data);
  return findPlaceAt(call, conversationId, readTime(before, "before", "Neither a time nor a message's id"));
}

async function findPlaceOf(call: Call, conversationId: ConversationId, id: MessageId): Promise<Place> {
  const { db } = call.app;
  const { userId } = call.caller;
  const message = await findVisibleMessage(db, userId, id);
  if (message?.conversationId === conversationId) {
    return { seq: message.seq, at: message.sentAt, id: highestId };
  }
  const imported = await findImported(db, { userId, conversationId }, id);
  if (!imported) throw new AppError("MESSAGE_NOT_FOUND");
  return { ...(await findPlaceAt(call, conversationId, imported.at)), ...imported };
}

/** From `since` on, until `until` and with it. */
export async function findPlacesBetween(
  call: Call,
  conversationId: ConversationId,
  { since, until }: { since?: string | null | undefined; until?: string | null | undefined },
): Promise<{ start: Place; end: Place }> {
  const from = since ? readTime(since, "since") : undefined;
  const through = until ? readTime(until, "until") : undefined;
  return {
    start: from ? await findPlaceAt(call, conversationId, from) : startPlace,
    end: through ? await findPlaceAt(call, conversationId, new Date(through.getTime() + 1)) : endPlace,
  };
}

/** Whichever of two places comes first. */
export function earlierPlace(a: Place, b: Place): Place {
  const order = a.at.getTime() - b.at.getTime() || a.seq - b.seq;
  if (order !== 0) return order < 0 ? a : b;
  return a.id < b.id ? a : b;
}

function readTime(text: string, field: string, msg = "Not a time"): Date {
  // In a query string an unescaped `+` of a zone arrives as a space.
  const time = parseTime(text.replace(/ (?=\d{2}(:?\d{2})?$)/, "+")) ?? parseTime(text);
  if (time !== undefined) return new Date(time);
  throw new AppError("VALIDATION_FAILED", { issues: [{ loc: [field], msg, type: "invalid_format" }] });
}
