import type { BatchNews } from "../news.ts";
import { readToken } from "../identity/token.ts";
import type { Session } from "../session.ts";
import { tellConversation } from "../timeline/tell-touched.ts";

/** This device signs in again and again, and finds that in the account log. */
function isOwnSession(token: string | undefined, sessionId: string): boolean {
  return token !== undefined && readToken(token).sessionId === sessionId;
}

/** Tells listeners of an entry that is no message. */
export async function tellEvent(session: Session, event: BatchNews["events"][number]): Promise<void> {
  const { events, directory, identity, account, me } = session;
  switch (event.type) {
    case "message.delivered":
    case "message.read": {
      const { type, ...receipt } = event;
      events.emit("receipt", { kind: type === "message.read" ? "read" : "delivered", ...receipt });
      return;
    }
    case "device_list.changed":
      directory.forget(me.userId);
      events.emit("deviceList", { change: event.change, deviceId: event.deviceId });
      return;
    case "device_list.signed":
      // A failure is made good at the next connection.
      identity.check().catch(() => {});
      return;
    case "session.opened":
      if (!isOwnSession(account.token, event.sessionId)) events.emit("sessionOpened", { at: event.at });
      return;
    case "conversation.read":
      await tellConversation(session, event.conversationId);
      events.emit("change", event);
      return;
    default:
      events.emit("change", event);
  }
}
