/** What happened, as every client of a store tells it to its application: the one that did it, and the other tabs. */
import type { ConversationId, Event, LogId } from "@sotto/schema";
import * as z from "zod/mini";
import type { SignedIn } from "./conversations.ts";
import type { ClientStatus, IdentityEvent, OutboxEvent, SequenceEvent, Typing } from "./events.ts";
import type { FileProgress } from "./files/file-transfers.ts";
import type { Destination } from "./messages/destination.ts";
import { tellOwn } from "./messages/tell-own.ts";
import { defineRecord } from "./storage/records.ts";
import type { Touched } from "./timeline/place.ts";
import { tellConversation, tellTouched } from "./timeline/tell-touched.ts";
import { tellEvent } from "./sync/tell-event.ts";
import type { Gap } from "./sync/sync-machine.ts";

/** A batch of the stream that was committed. */
export interface BatchNews {
  type: "batch";
  /** Raised with each. */
  n: number;
  /** There are messages in the inbox. */
  hasReceived: boolean;
  touched: Touched[];
  sequences: SequenceEvent[];
  gaps: Gap[];
  /** All but messages. */
  events: Exclude<Event, { type: "message.created" }>[];
}

export interface OwnNews {
  type: "own";
  to: Destination;
  event: OutboxEvent;
}

/** What is told alike wherever it happened. */
export type SharedNews =
  | BatchNews
  | OwnNews
  | { type: "typing"; typing: Typing }
  | { type: "identity"; event: IdentityEvent }
  /** Something in a conversation was read. */
  | { type: "read"; conversationId: ConversationId }
  | { type: "progress"; clientMessageId: string; progress: FileProgress }
  /** Whoever sent a message does not want it sent any more. */
  | { type: "gave_up"; clientMessageId: string }
  /** What is known of a user's devices is not to be relied on. */
  | { type: "devices"; userId: string };

/** And between tabs alone. */
export type News =
  | SharedNews
  /** Session or keys are others. */
  | { type: "account" }
  | { type: "status"; status: ClientStatus }
  /** A tab has begun to follow, or to wait for what it sends. */
  | { type: "hello" }
  /** A tab leads from now on. */
  | { type: "leading" }
  /** Whoever leads, or waits for it, goes to the end of the queue. */
  | { type: "step_back" }
  | { type: "signed_out" };

/**
 * The last batch, in the store with the batch itself: a leader that dies between commit and telling leaves it to the
 * next one.
 */
export const batchRecord = defineRecord(
  "batch",
  z.custom<BatchNews>((value) => typeof value === "object" && value !== null),
);

/** Tells this client's listeners. */
export async function tellHere({ session, inbox, outbox }: SignedIn, news: SharedNews): Promise<void> {
  const { events, identity, directory, files } = session;
  switch (news.type) {
    case "batch":
      if (news.hasReceived) inbox.wake();
      await tellTouched(session, news.touched);
      for (const event of news.sequences) events.emit("sequence", event);
      // The log of a gap came from the server as a `LogId`.
      for (const { log, ...gap } of news.gaps) events.emit("resync", { log: log as LogId, ...gap });
      for (const event of news.events) await tellEvent(session, event);
      return;
    case "own":
      outbox.hear(news.event);
      events.emit("outbox", news.event);
      await tellOwn(session, news.to, {
        clientMessageId: news.event.clientMessageId,
        isNew: news.event.state === "queued",
      });
      return;
    case "typing":
      events.emit("typing", news.typing);
      return;
    case "identity":
      identity.hear(news.event);
      events.emit("identity", news.event);
      return;
    case "read":
      await tellConversation(session, news.conversationId);
      return;
    case "progress":
      files.hear(news.clientMessageId, news.progress);
      return;
    case "gave_up":
      outbox.giveUp(news.clientMessageId);
      return;
    case "devices":
      directory.forget(news.userId);
  }
}
