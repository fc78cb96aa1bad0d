import { conversationId, userId } from "@sotto/schema";
import * as z from "zod/mini";
import { identityPin } from "../identity/pins.ts";
import type { Session } from "../session.ts";
import { Draft } from "../storage/draft.ts";
import { backfill } from "../timeline/backfill.ts";
import { loadConversations } from "../timeline/load-conversations.ts";
import { Placing } from "../timeline/place.ts";
import { type StoredMessage, conversationRecord, messageRecord } from "../timeline/records.ts";
import type { BackupPart } from "./records.ts";

const pageSize = 64;

/** Whose identity keys are known, and which were verified. */
export function contactsPart({ identities, me }: Session): BackupPart {
  const record = z.object({ userId, pin: identityPin });
  return {
    name: "pin",
    async *export() {
      yield* (await identities.pins.list()).filter((one) => one.userId !== me.userId);
    },
    async import(values) {
      for (const value of values) {
        const { userId: user, pin } = record.parse(value);
        await identities.pins.update(user, (present) => present ?? pin);
      }
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
  const { store } = session;
  /** The highest place of each conversation that came. */
  const reached = new Map<z.output<typeof conversationId>, number>();
  return {
    name: "message",
    async *export() {
      for (const { path } of await conversationRecord.list(store))
        yield* exportTimeline(session, path[0] ?? "");
    },
    begin: (signal) => loadConversations(session, signal),
    async import(values) {
      const lines = values.map((value) => storedLine.parse(value));
      await session.turns.run(async () => {
        const draft = new Draft(store);
        const placing = new Placing(draft, { source: "past", me: session.me });
        for (const { message, ...place } of lines) await placing.restored(message, place);
        await store.commit(draft.writes);
      });
      for (const { conversationId: id, seq } of lines) reached.set(id, Math.max(seq, reached.get(id) ?? 0));
    },
    async finish(signal = new AbortController().signal) {
      // What came between the backup and this device is the server's to give.
      for (const [id, seq] of reached) {
        while (((await conversationRecord.get(store, id))?.floor ?? Infinity) > seq) {
          if (!(await backfill(session, id, signal))) break;
        }
      }
    },
  };
}

async function* exportTimeline({ store }: Session, id: string): AsyncGenerator<z.input<typeof storedLine>> {
  for (let after = 0; ;) {
    const page = await messageRecord.list(store, [id], { after: [id, after], limit: pageSize });
    for (const { path, value: message } of page) {
      after = Number(path[1]);
      const isWorthIt = message.content.kind !== "unreadable";
      if (isWorthIt) yield { conversationId: id, seq: after, message: { ...message, isUnread: false } };
    }
    if (page.length < pageSize) return;
  }
}
