import type { Session } from "../session.ts";
import { findPlace, readNamed } from "../timeline/read-timeline.ts";
import type { Destination } from "./destination.ts";
import { outgoingRecord } from "./outgoing-queue.ts";

/** Tells listeners of the line that a message of this device's is, or changes: as it is now, sent or not. */
export async function tellOwn(
  session: Session,
  to: Destination,
  { clientMessageId, isNew }: { clientMessageId: string; isNew: boolean },
): Promise<void> {
  const { events, store, me } = session;
  if (!events.has("message") && !events.has("messageChanged")) return;
  const payload = (await outgoingRecord.get(store, clientMessageId))?.payload;
  const isChange = payload?.kind === "edit" || payload?.kind === "reaction" || payload?.kind === "deletion";
  const own = { senderUserId: me.userId, clientMessageId };
  const name = !isChange
    ? own
    : payload.kind === "reaction"
      ? payload.target
      : { ...own, clientMessageId: payload.target };
  const line = await readNamed(session, await findPlace(session, to), name);
  if (line) events.emit(isNew && !isChange ? "message" : "messageChanged", line);
}
