import type { ConversationId, Event } from "@sotto/schema";
import * as z from "zod/mini";
import type { Inbox } from "../messages/inbox.ts";
import { baseOf, openMessage, parseHeader, refuseMessage } from "../messages/open-message.ts";
import {
  type FindPeer,
  countOthers,
  directWrites,
  forgottenGroup,
  knownPeers,
} from "../messages/participants.ts";
import { isFromThisDevice, readOwn } from "../messages/read-own.ts";
import { type ReceivedMessage, withoutContent } from "../messages/received-message.ts";
import { type BatchNews, batchRecord } from "../news.ts";
import type { Session } from "../session.ts";
import { Draft } from "../storage/draft.ts";
import { defineRecord } from "../storage/records.ts";
import type { Store } from "../storage/store.ts";
import { ensureConversation } from "../timeline/identify-conversation.ts";
import { Placing, isUnseen } from "../timeline/place.ts";
import { type StoredConversation, conversationRecord } from "../timeline/records.ts";
import { takeReadElsewhere, placeReadElsewhere } from "../timeline/mark-read.ts";
import { gapWrite } from "./heal-gap.ts";
import { ReplayWindows } from "./replay-windows.ts";
import type { SyncEntry } from "./sync-event.ts";
import type { Batch, Positions } from "./sync-machine.ts";

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

interface Preparing extends Applying {
  windows: ReplayWindows;
  /** Those of the entries before, by log. */
  conversations: Map<string, StoredConversation>;
  findPeer: FindPeer;
  taken: ReadonlySet<SyncEntry>;
}

/** An entry with what had to be asked for before it can be applied. */
interface Prepared {
  entry: SyncEntry;
  /** Of another device, opened and judged; of any device, refused. */
  message?: ReceivedMessage | undefined;
  conversation?: StoredConversation | undefined;
  /** Of a message of this user's: for how many others it is; null: not known. */
  recipients?: number | null | undefined;
}

/**
 * Opens the messages of a batch and commits them, to inbox and timeline, with the positions and the replay windows in
 * one transaction; then tells the listeners. Throws when something that must be known cannot be asked for, having
 * changed nothing.
 *
 * `taken`: entries whose places were found to be another message's. They are as if they had not come, so that their
 * numbers are missed.
 */
export async function applyBatch(
  batch: Batch<SyncEntry>,
  applying: Applying,
  taken = new Set<SyncEntry>(),
): Promise<void> {
  const { session, inbox } = applying;
  const windows = new ReplayWindows(session.store);
  const conversations = new Map<string, StoredConversation>();
  const findPeer = knownPeers(session.store);
  const prepared: Prepared[] = [];
  for (const step of batch.steps) {
    if (step.type !== "entry") continue;
    prepared.push(await prepare(step.entry, { ...applying, windows, conversations, findPeer, taken }));
  }
  const received = prepared.flatMap(({ message }) =>
    message && !isFromThisDevice(message, session.me) ? [message] : [],
  );
  const news = await session.turns.run(async () => {
    if (await isStale(session.store, conversations)) return undefined;
    const draft = new Draft(session.store);
    const placing = new Placing(draft, { source: "stream", me: session.me });
    const known = taken.size;
    for (const one of prepared) await place(session, one, { draft, placing, taken });
    if (taken.size > known) return undefined;
    const unread = received.map((message) => asPlaced(message, placing));
    const emptied = await inbox.deletedWrites(placing.deleted);
    const told = await newsOf(session, {
      batch,
      prepared,
      touched: placing.touched,
      hasReceived: unread.length > 0 || emptied.length > 0,
      sequences: windows.events(),
    });
    await session.store.commit([
      ...draft.writes,
      ...emptied,
      ...(await inbox.writesFor(unread)),
      ...windows.writes(),
      ...batch.steps.flatMap((step) => (step.type === "resync" ? [gapWrite(step)] : [])),
      ...[...batch.positions].map(([log, seq]) => positionRecord.put([log], seq)),
      ...(session.store.tabs ? [batchRecord.put([], told)] : []),
    ]);
    return told;
  });
  await (news ? session.tell(news) : applyBatch(batch, applying, taken));
}

/** While the batch was prepared, a conversation has become known as another than it was prepared for. */
async function isStale(store: Store, conversations: Map<string, StoredConversation>): Promise<boolean> {
  const findPeer = knownPeers(store);
  for (const [log, { peerUserId }] of conversations) {
    const known = await findPeer(log as ConversationId);
    if (known !== undefined && known !== peerUserId) return true;
  }
  return false;
}

/** What the timeline does not show is not told either. */
function asPlaced(message: ReceivedMessage, placing: Placing): ReceivedMessage {
  if (placing.replayed.has(message))
    return { ...withoutContent(message), kind: "unreadable", reason: "replayed" };
  return placing.isDeleted(message) ? withoutContent(message) : message;
}

async function newsOf(
  { store }: Session,
  given: { batch: Batch<SyncEntry>; prepared: Prepared[] } & Pick<
    BatchNews,
    "touched" | "hasReceived" | "sequences"
  >,
): Promise<BatchNews> {
  const { batch, prepared, ...told } = given;
  const last = store.tabs && (await batchRecord.get(store));
  const gaps = batch.steps.flatMap((step) => {
    if (step.type !== "resync") return [];
    const { log, prunedFrom, prunedThrough } = step;
    return [{ log, prunedFrom, prunedThrough }];
  });
  const events = prepared.flatMap(({ entry: { event } }) =>
    event && event.type !== "message.created" ? [event] : [],
  );
  return { type: "batch", n: (last?.n ?? 0) + 1, ...told, gaps, events };
}

async function prepare(entry: SyncEntry, applying: Preparing): Promise<Prepared> {
  const { event, log, refused } = entry;
  if (applying.taken.has(entry)) return { entry: { ...entry, event: undefined } };
  // Also of this device, or one that is not opened: its own line shows that it was deleted, and excuses nobody else.
  if (event?.type === "message.created") applying.windows.came(event.message.id);
  if (refused && event?.type === "message.created") {
    const { me } = applying.session;
    return { entry, message: refuseMessage(event.message, { log, reason: refused, me }) };
  }
  const conversation = await findConversation(entry, applying);
  if (event?.type === "message.created") {
    const message = await receive(event.message, applying);
    const isOwn = message?.isOwn && conversation !== undefined;
    const recipients = isOwn
      ? await countOthers(applying.session, { id: message.conversationId, ...conversation }, applying.signal)
      : undefined;
    return { entry, conversation, message, recipients };
  }
  const isGroup = conversation?.isGroup === true;
  // A direct conversation has no moderators: nobody but the author deletes there, in a signed message.
  if (event?.type === "message.deleted" && !isGroup)
    return { entry: { ...entry, event: undefined }, conversation };
  if (isGroup) await follow(entry, applying);
  return { entry, conversation };
}

/** What an entry of this batch has identified is not asked for again by the next one. */
async function findConversation(
  entry: SyncEntry,
  { session, signal, conversations, findPeer }: Preparing,
): Promise<StoredConversation | undefined> {
  const known =
    conversations.get(entry.log) ?? (await ensureConversation(session, { entry, findPeer, signal }));
  if (known) conversations.set(entry.log, known);
  return known;
}

/** What explains that numbers of messages of a group do not come: each has a line that shows it. */
async function follow(
  { event, seq }: SyncEntry,
  { session: { me, store }, windows }: Preparing,
): Promise<void> {
  if (event?.type === "message.deleted") {
    const { conversationId, messageId, senderUserId } = event;
    if (senderUserId !== undefined && (await isUnseen(store, event, seq)))
      await windows.erased({ conversationId, senderUserId }, messageId);
    return;
  }
  const isBack =
    event?.type === "group.changed" &&
    (event.action === "members_added" || event.action === "member_joined") &&
    event.userIds?.includes(me.userId);
  if (isBack) await windows.resume(event.conversationId);
}

/** Undefined: nothing to show, or of this very device. */
async function receive(
  message: MessageCreated,
  { session, signal, windows }: Preparing,
): Promise<ReceivedMessage | undefined> {
  const { me, account, directory } = session;
  if (isFromThisDevice(message, me)) return undefined;
  const opened = await openMessage(message, { me, keys: account.keys, directory, signal });
  const { header } = opened;
  const { conversationId, senderUserId, senderDeviceId } = message;
  const sender = { conversationId, senderUserId, senderDeviceId };
  if (!header) {
    const claimed = parseHeader(message.ciphertext);
    if (typeof claimed === "object" && claimed.senderDeviceId === senderDeviceId)
      await windows.excuse(sender, claimed.counter);
    return opened.message;
  }
  const verdict = await windows.accept(sender, {
    counter: header.counter,
    id: message.id,
    refused: opened.refused ?? [],
  });
  if (verdict !== "fresh") return { ...baseOf(message, me), kind: "unreadable", reason: verdict };
  return header.class === "content" ? opened.message : undefined;
}

/** In a turn, without network. */
async function place(
  { me }: Session,
  { entry, message, conversation, recipients }: Prepared,
  { draft, placing, taken }: { draft: Draft; placing: Placing; taken: Set<SyncEntry> },
): Promise<void> {
  const { event, log, seq, at, refused } = entry;
  if (!event) return;
  const conversationId = log as string as ConversationId;
  if (conversation && !(await conversationRecord.get(draft, conversationId))) {
    const readThrough = await takeReadElsewhere(draft, conversationId);
    draft.put(conversationRecord.put([conversationId], { ...conversation, readThrough }));
    const { peerUserId } = conversation;
    if (peerUserId !== null) draft.put(...(await directWrites(draft, peerUserId, conversationId)));
  }
  const where = { conversationId, seq, at };
  switch (event.type) {
    case "message.created": {
      // The account's log has no timeline.
      if (refused && log === (me.userId as string)) return;
      const isMine = !refused && isFromThisDevice(event.message, me);
      const own = isMine ? await readOwn(draft, event.message, me) : undefined;
      if (own) draft.put(...own.writes);
      const shown = own?.message ?? message;
      if (shown && !(await placing.message(shown, where, own?.known ?? { recipients }))) taken.add(entry);
      return;
    }
    case "message.delivered":
    case "message.read":
      await placing.receipt(
        event.messageId,
        event.type === "message.read" ? "read" : "delivered",
        event.userId,
      );
      return;
    case "conversation.read":
      await placeReadElsewhere(draft, { id: event.conversationId, me, throughSeq: event.throughSeq });
      return;
    case "group.changed":
      draft.put(forgottenGroup(conversationId));
      await placing.told(event, where);
      return;
    default:
      await placing.told(event, where);
  }
}
