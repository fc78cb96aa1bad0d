import type { Event, LogId } from "@sotto/schema";
import * as z from "zod";
import { readToken } from "../identity/token.ts";
import { baseOf, openMessage } from "../messages/open-message.ts";
import type { Inbox } from "../messages/inbox.ts";
import type { ReceivedMessage } from "../messages/received-message.ts";
import type { Session } from "../session.ts";
import { defineRecord } from "../storage/records.ts";
import type { Store } from "../storage/store.ts";
import type { SyncEntry } from "./sync-event.ts";
import type { Batch, Positions } from "./sync-machine.ts";
import { ReplayWindows } from "./replay-windows.ts";

/** What this device has committed of each log. */
const positionRecord = defineRecord("position", z.number());

type MessageCreated = Extract<Event, { type: "message.created" }>["message"];

export async function loadPositions(store: Store): Promise<Positions> {
  const stored = await positionRecord.list(store);
  return new Map(stored.map(({ path: [log = ""], value }) => [log, value]));
}

interface Applying {
  session: Session;
  inbox: Inbox;
  signal: AbortSignal;
}

/**
 * Opens the messages of a batch and commits them with the positions and the replay windows in one transaction; then
 * tells the listeners. Throws when a sender's key cannot be asked for, having changed nothing.
 */
export async function applyBatch(batch: Batch<SyncEntry>, applying: Applying): Promise<void> {
  const { session, inbox } = applying;
  const windows = new ReplayWindows(session.store);
  const received: ReceivedMessage[] = [];
  for (const step of batch.steps) {
    if (step.type !== "entry" || step.entry.event?.type !== "message.created") continue;
    const message = await receive(step.entry.event.message, { ...applying, windows });
    if (message) received.push(message);
  }
  await session.store.commit([
    ...inbox.writesFor(received),
    ...windows.writes(),
    ...[...batch.positions].map(([log, seq]) => positionRecord.put([log], seq)),
  ]);
  if (received.length > 0) inbox.wake();
  for (const step of batch.steps) {
    if (step.type === "resync") {
      // The log of a resync came from the server as a `LogId`.
      session.events.emit("resync", { log: step.log as LogId, prunedThrough: step.prunedThrough });
    } else if (step.entry.event) {
      tell(session, step.entry.event);
    }
  }
}

/** Undefined: nothing to show. */
async function receive(
  message: MessageCreated,
  { session, signal, windows }: Applying & { windows: ReplayWindows },
): Promise<ReceivedMessage | undefined> {
  const { me, account, directory } = session;
  // The application knows what it sent from here.
  if (message.senderUserId === me.userId && message.senderDeviceId === me.deviceId) return undefined;
  const opened = await openMessage(message, { me, keys: account.keys, directory, signal });
  const { header } = opened;
  if (!header) return opened.message;
  const verdict = await windows.accept(
    [header.conversationId, header.senderUserId, header.senderDeviceId],
    header,
  );
  if (verdict !== "fresh") return { ...baseOf(message, me), kind: "unreadable", reason: verdict };
  return header.class === "content" ? opened.message : undefined;
}

/** This device signs in again and again, and finds that in the account log. */
function isOwnSession(token: string | undefined, sessionId: string): boolean {
  return token !== undefined && readToken(token).sessionId === sessionId;
}

function tell({ events, directory, account, me }: Session, event: Event): void {
  switch (event.type) {
    case "message.created":
      return;
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
      directory.forget(me.userId);
      return;
    case "session.opened":
      if (!isOwnSession(account.token, event.sessionId)) events.emit("sessionOpened", { at: event.at });
      return;
    default:
      events.emit("change", event);
  }
}
