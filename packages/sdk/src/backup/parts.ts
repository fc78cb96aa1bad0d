import { type ConversationId, conversationId, userId } from "@sotto/schema";
import * as z from "zod/mini";
import { equalConstantTime } from "../crypto/primitives.ts";
import { SottoError } from "../errors.ts";
import { type IdentityPin, identityPin } from "../identity/pins.ts";
import type { Session } from "../session.ts";
import { Draft } from "../storage/draft.ts";
import { backfill } from "../timeline/backfill.ts";
import { addConversation, loadConversations } from "../timeline/load-conversations.ts";
import { Placing } from "../timeline/place.ts";
import { type StoredMessage, conversationRecord, messageRecord } from "../timeline/records.ts";
import type { BackupPart } from "./records.ts";

const pageSize = 64;

/** Whose identity keys are known, and which were verified. */
export function contactsPart({ identities, me, tell }: Session): BackupPart {
  const record = z.object({ userId, pin: identityPin });
  return {
    name: "pin",
    async *export() {
      yield* (await identities.pins.list()).filter((one) => one.userId !== me.userId);
    },
    async import(values) {
      for (const value of values) {
        const { userId: user, pin: kept } = record.parse(value);
        if (user === me.userId) continue;
        await identities.pins.update(user, (present) => {
          if (!present) return kept;
          if (equalConstantTime(present.uik, kept.uik)) return joinPins(present, kept);
          if (isBetterKnown(present, kept)) return present;
          // It is the server's word alone, whose next answer is judged by the backup's key.
          const { version } = present;
          identities.tellOnce({ type: "identity_changed", userId: user, isBlocked: false, version });
          return kept;
        });
        await tell({ type: "devices", userId: user });
      }
    },
  };
}

/** It was compared on this device, or was met before the other one, which nobody has compared. */
function isBetterKnown(present: IdentityPin, kept: IdentityPin): boolean {
  const isVerified = !!kept.verifiedUik && equalConstantTime(kept.verifiedUik, kept.uik);
  return !!present.verifiedUik || (!isVerified && present.sinceMs < kept.sinceMs);
}

/** Of the same identity key: the newer list, and what the user has compared. */
function joinPins(present: IdentityPin, kept: IdentityPin): IdentityPin {
  return {
    ...(kept.version > present.version ? kept : present),
    sinceMs: Math.min(kept.sinceMs, present.sinceMs),
    verifiedUik: present.verifiedUik ?? kept.verifiedUik,
  };
}

const storedConversation = z.object({
  conversationId,
  /** null for a group. */
  peerUserId: z.nullable(userId),
  name: z.nullable(z.string()),
  lastMessageAt: z.nullable(z.string()),
});

/** With whom, or in which group: the server names neither all of them nor a group that was left. */
export function conversationsPart(session: Session): BackupPart {
  const { store, turns } = session;
  return {
    name: "conversation",
    async *export() {
      for (const { path, value } of await conversationRecord.list(store)) {
        const { peerUserId, name, lastMessageAt } = value;
        yield { conversationId: path[0], peerUserId, name, lastMessageAt };
      }
    },
    begin: (signal) => loadConversations(session, signal),
    async import(values) {
      const listed = values.map((value) => storedConversation.parse(value));
      await turns.run(async () => {
        const draft = new Draft(store);
        for (const { conversationId: id, ...known } of listed) {
          // Before any line of it: they are not to be shown, nor answered, as another's.
          if (!(await addConversation(draft, { id, ...known }))) throw new SottoError("BAD_ANSWER");
        }
        await store.commit(draft.writes);
      });
    },
  };
}

const storedLine = z.object({
  conversationId,
  seq: z.int().check(z.minimum(1)),
  message: z.custom<StoredMessage>(
    (value) => typeof value === "object" && value !== null && "content" in value && "overlay" in value,
  ),
});

/** What was said, as this device's timeline has it. */
export function timelinePart(session: Session): BackupPart {
  const { store, turns, me } = session;
  /** The highest place of each conversation that came. */
  const reached = new Map<ConversationId, number>();
  return {
    name: "message",
    export: () => exportTimelines(session),
    async import(values) {
      const lines = values.map((value) => storedLine.parse(value));
      await turns.run(async () => {
        const draft = new Draft(store);
        const placing = new Placing(draft, { source: "past", me });
        for (const { message, ...place } of lines) await placing.restored(message, place);
        await store.commit(draft.writes);
      });
      for (const { conversationId: id, seq } of lines) reached.set(id, Math.max(seq, reached.get(id) ?? 0));
    },
    async finish(signal = new AbortController().signal) {
      for (const [id, seq] of reached) await catchUp(session, { id, seq }, signal);
    },
  };
}

/** Every line, also of a conversation of which nothing else is known. */
async function* exportTimelines({ store }: Session): AsyncGenerator<z.input<typeof storedLine>> {
  for (let after: [string, number] | undefined; ;) {
    const page = await messageRecord.list(store, [], { after, limit: pageSize });
    for (const { path, value: message } of page) {
      const [id = ""] = path;
      const seq = Number(path[1]);
      after = [id, seq];
      const isWorthIt = message.content.kind !== "unreadable";
      if (isWorthIt) yield { conversationId: id, seq, message: { ...message, isUnread: false } };
    }
    if (page.length < pageSize) return;
  }
}

/** What came between the backup and this device is the server's to give, unless it does not know the conversation. */
async function catchUp(
  session: Session,
  { id, seq }: { id: ConversationId; seq: number },
  signal: AbortSignal,
): Promise<void> {
  try {
    while (((await conversationRecord.get(session.store, id))?.floor ?? Infinity) > seq) {
      if (!(await backfill(session, id, signal))) return;
    }
  } catch (error) {
    if (!(error instanceof SottoError) || error.code !== "LOG_NOT_FOUND") throw error;
  }
}
