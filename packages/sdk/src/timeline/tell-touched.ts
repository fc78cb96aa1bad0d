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
  if (!events.has("conversation")) return;
  for (const id of new Set(touched.map(({ conversationId }): ConversationId => conversationId))) {
    const summary = await summarize(session, id);
    if (summary) events.emit("conversation", summary);
  }
}
