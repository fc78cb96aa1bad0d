import type { ConversationId } from "@sotto/schema";
import type { Session } from "../session.ts";
import type { Touched } from "./place.ts";
import { readPlaced, summarize } from "./read-timeline.ts";

/** Tells listeners what was committed, each line once and as it is now. */
export async function tellTouched(session: Session, touched: readonly Touched[]): Promise<void> {
  const { events } = session;
  const lines = new Map<string, Touched>();
  for (const one of touched) {
    const key = `${one.conversationId}/${one.seq}`;
    lines.set(key, { ...one, isNew: one.isNew || (lines.get(key)?.isNew ?? false) });
  }
  for (const { isNew, ...place } of lines.values()) {
    const name = isNew ? "message" : "messageChanged";
    if (!events.has(name)) continue;
    const message = await readPlaced(session, place);
    if (message) events.emit(name, message);
  }
  for (const id of new Set(touched.map(({ conversationId }): ConversationId => conversationId))) {
    await tellConversation(session, id);
  }
}

/** Tells listeners what a list shows of a conversation now. */
export async function tellConversation(session: Session, id: ConversationId): Promise<void> {
  const summary = session.events.has("conversation") ? await summarize(session, id) : undefined;
  if (summary) session.events.emit("conversation", summary);
}
