/** Puts what the server's logs say into the store's timeline. Nothing here asks the network. */
import type { ConversationId, MessageId, UserId } from "@sotto/schema";
import type { Event } from "@sotto/schema";
import {
  type OpenedMessage,
  type ReceivedMessage,
  deletedWith,
  nameOf,
} from "../messages/received-message.ts";
import type { Me } from "../identity/account.ts";
import { erasedWrites, outgoingRecord, withoutContent } from "../messages/outgoing-queue.ts";
import type { Draft } from "../storage/draft.ts";
import type { Reader } from "../storage/records.ts";
import { type Overlay, type Reaction, emptyOverlay, mergeOverlays, toldBy } from "./overlay.ts";
import {
  type Receipts,
  type StoredContent,
  type StoredMessage,
  conversationRecord,
  idRecord,
  messageRecord,
  orphanRecord,
  placeRecord,
  receiptRecord,
} from "./records.ts";
import { indexText } from "./search-index.ts";
import { shownText } from "./shown-text.ts";
import { type PlacedMessage, contentOf } from "./stored-content.ts";

/** Where an entry stands. */
export interface Place {
  conversationId: ConversationId;
  seq: number;
  /** By the server's clock, RFC 3339. */
  at: string;
}

/** `stream`: it is news, and counts as unread. `past`: it was asked for. */
export type Source = "stream" | "past";

/** What a place in a timeline became, to be told once it is committed. */
export interface Touched {
  conversationId: ConversationId;
  seq: number;
  isNew: boolean;
}

/** What is known beside the log of a message of this user's. */
export interface OwnMessage {
  /** Users that it was sealed for. */
  recipients?: number | null | undefined;
  /** It was sent from this device, and has been shown since. */
  isShown?: boolean | undefined;
}

type ChangeMessage = Extract<OpenedMessage, { kind: "edit" | "reaction" | "deletion" }>;

/** Changes of timelines in one draft. */
export class Placing {
  readonly #draft: Draft;
  readonly #source: Source;
  readonly #me: Me;
  readonly touched: Touched[] = [];
  /** Messages that are deleted, as {@link nameOf} gives. */
  readonly deleted = new Set<string>();
  /** Messages whose signed id has come before, at another place. */
  readonly replayed = new Set<ReceivedMessage>();

  constructor(draft: Draft, { source, me }: { source: Source; me: Me }) {
    this.#draft = draft;
    this.#source = source;
    this.#me = me;
  }

  /** It was deleted in this draft, or changes a message that is deleted. */
  isDeleted(message: ReceivedMessage): boolean {
    const name = deletedWith(message);
    return name !== undefined && this.deleted.has(name);
  }

  /** A message as it was opened. False: something else stands in its place, and stays there. */
  async message(message: ReceivedMessage, place: Place, own: OwnMessage = {}): Promise<boolean> {
    const { conversationId, seq } = place;
    const present = await messageRecord.get(this.#draft, conversationId, seq);
    if (present) return present.id === message.id;
    switch (message.kind) {
      case "edit":
      case "reaction":
      case "deletion":
        this.#draft.put(idRecord.put([message.id], { conversationId, seq: 0 }));
        await this.#nameChange(message, seq);
        await this.#change(message);
        break;
      case "deleted":
        break;
      default:
        await this.#show(message, place, own);
    }
    return true;
  }

  /** It has no line to be found by; said twice it changes nothing, and is not told twice. */
  async #nameChange(message: ChangeMessage, seq: number): Promise<void> {
    const name = [message.conversationId, message.senderUserId, message.clientMessageId, "change"];
    const other = await placeRecord.get(this.#draft, ...name);
    if (other === undefined) this.#draft.put(placeRecord.put(name, seq));
    else if (other !== seq) this.replayed.add(message);
  }

  async #change(message: ChangeMessage): Promise<void> {
    const { conversationId, senderUserId: userId, clientMessageId: by, sentAtMs } = message;
    switch (message.kind) {
      case "edit": {
        const edit = { text: message.text, sentAtMs, by };
        await this.#overlay(conversationId, `${userId}/${message.target}`, { ...emptyOverlay, edit });
        return;
      }
      case "deletion": {
        const deletion = { by: "author" as const, userId };
        await this.#overlay(conversationId, `${userId}/${message.target}`, { ...emptyOverlay, deletion });
        return;
      }
      case "reaction": {
        const { target, emoji, isRemoved } = message;
        const reactions = [{ userId, emoji, isRemoved, sentAtMs, by }];
        const name = `${target.senderUserId}/${target.clientMessageId}`;
        await this.#overlay(conversationId, name, { ...emptyOverlay, reactions });
      }
    }
  }

  /**
   * A line as another device of this user's has it, where this one has none or could not read it. What came of it here
   * holds: what was done to it since, who has it, and that it is unread.
   */
  async restored(line: StoredMessage, { conversationId, seq }: Omit<Place, "at">): Promise<void> {
    const present = await messageRecord.get(this.#draft, conversationId, seq);
    if (present && present.content.kind !== "unreadable") return;
    const { id, senderUserId, clientMessageId } = line;
    const at = id === null ? undefined : await idRecord.get(this.#draft, id);
    const name = clientMessageId === null ? undefined : ([senderUserId, clientMessageId] as const);
    const other = name && (await placeRecord.get(this.#draft, conversationId, ...name));
    // Its line is elsewhere: it was deleted before it was seen here, or its signed id was shown anew.
    if ([at?.seq, other].some((one) => one !== undefined && one !== seq)) return;
    const orphans = await this.#takeOrphans(conversationId, [id ?? "", name?.join("/") ?? ""]);
    const overlay = [line.overlay, present?.overlay ?? emptyOverlay, orphans].reduce(mergeOverlays);
    const isUnread = present?.isUnread ?? false;
    const receipts = line.receipts && id !== null ? await this.#receiptsOf(id, line.receipts) : null;
    if (name) this.#draft.put(placeRecord.put([conversationId, ...name], seq));
    if (id !== null) this.#draft.put(idRecord.put([id], { conversationId, seq }));
    if (isUnread) await this.#countUnread(conversationId, -1);
    const restored = withOverlay({ ...line, isUnread, receipts }, overlay);
    await this.#put({ conversationId, seq, at: line.sentAt }, restored, true);
  }

  /** What the server itself tells of a message: reactions of clients without the SDK, and a moderator's deletion. */
  async told(event: Event, place: Place): Promise<void> {
    const { conversationId, at } = place;
    switch (event.type) {
      case "reaction.added":
      case "reaction.removed": {
        const isRemoved = event.type === "reaction.removed";
        const { userId, emoji, messageId } = event;
        const by = toldBy(place.seq);
        const reaction: Reaction = { userId, emoji, isRemoved, sentAtMs: Date.parse(at), by };
        await this.#overlay(conversationId, messageId, { ...emptyOverlay, reactions: [reaction] });
        return;
      }
      case "message.deleted": {
        // A direct conversation has no moderators.
        if (!(await conversationRecord.get(this.#draft, conversationId))?.isGroup) return;
        await this.#showErased(event, place);
        const deletion = { by: "moderator" as const, userId: event.userId };
        await this.#overlay(conversationId, event.messageId, { ...emptyOverlay, deletion });
        return;
      }
      case "group.changed":
        await this.#groupChanged(event, place);
        return;
      default:
    }
  }

  /** In the place of a message that this device has never seen. */
  async #showErased(event: Extract<Event, { type: "message.deleted" }>, place: Place): Promise<void> {
    const { conversationId, messageId: id, senderUserId } = event;
    if (senderUserId === undefined || !(await isUnseen(this.#draft, event, place.seq))) return;
    const isOwn = senderUserId === this.#me.userId;
    if (isOwn) this.#draft.put(...(await erasedWrites(this.#draft, { kind: "group", conversationId }, id)));
    this.#draft.put(idRecord.put([id], { conversationId, seq: place.seq }));
    const stored: StoredMessage = {
      id,
      senderUserId,
      senderDeviceId: null,
      sentAt: place.at,
      clientMessageId: null,
      assurance: null,
      kem: null,
      content: { kind: "deleted" },
      overlay: emptyOverlay,
      isUnread: false,
      receipts: isOwn ? await this.#receiptsOf(id, { recipients: null }) : null,
    };
    await this.#takeOrphans(conversationId, [id]);
    await this.#put(place, stored, true);
  }

  async #groupChanged(event: Extract<Event, { type: "group.changed" }>, place: Place): Promise<void> {
    const { action, actorUserId, userIds = [], name = null, role = null } = event;
    const line: StoredMessage = {
      id: null,
      senderUserId: actorUserId,
      senderDeviceId: null,
      sentAt: place.at,
      clientMessageId: null,
      assurance: null,
      kem: null,
      content: { kind: "group", action, userIds, name, role },
      overlay: emptyOverlay,
      isUnread: false,
      receipts: null,
    };
    // What stands there stays: the server deletes no message by what it tells in its place.
    if (!(await messageRecord.get(this.#draft, place.conversationId, place.seq)))
      await this.#put(place, line);
    const conversation = await conversationRecord.get(this.#draft, place.conversationId);
    if (!conversation || name === null || this.#source === "past") return;
    this.#draft.put(conversationRecord.put([place.conversationId], { ...conversation, name }));
  }

  /** A user has got or read one of this user's own messages. */
  async receipt(messageId: MessageId, kind: "delivered" | "read", userId: UserId): Promise<void> {
    if (await receiptRecord.get(this.#draft, messageId, kind, userId)) return;
    const at = await idRecord.get(this.#draft, messageId);
    if (at?.seq === 0) return;
    this.#draft.put(receiptRecord.put([messageId, kind, userId], 1));
    const message = at && (await messageRecord.get(this.#draft, at.conversationId, at.seq));
    if (!at || !message?.receipts) return;
    const receipts = { ...message.receipts, [kind]: message.receipts[kind] + 1 };
    this.#draft.put(messageRecord.put([at.conversationId, at.seq], { ...message, receipts }));
    this.touched.push({ ...at, isNew: false });
  }

  async #overlay(conversationId: ConversationId, name: string, overlay: Overlay): Promise<void> {
    const seq = await this.#find(conversationId, name);
    const message = seq === undefined ? undefined : await messageRecord.get(this.#draft, conversationId, seq);
    if (seq === undefined || !message) {
      const earlier = (await orphanRecord.get(this.#draft, conversationId, name)) ?? emptyOverlay;
      this.#draft.put(orphanRecord.put([conversationId, name], mergeOverlays(earlier, overlay)));
      return;
    }
    await this.#replace({ conversationId, seq }, message, mergeOverlays(message.overlay, overlay));
  }

  /** By `author/clientMessageId` or the server's id. */
  async #find(conversationId: ConversationId, name: string): Promise<number | undefined> {
    const [first = "", clientMessageId] = name.split("/");
    if (clientMessageId !== undefined)
      return placeRecord.get(this.#draft, conversationId, first, clientMessageId);
    const at = await idRecord.get(this.#draft, first);
    return at?.conversationId === conversationId ? at.seq : undefined;
  }

  async #replace(
    place: { conversationId: ConversationId; seq: number },
    before: StoredMessage,
    overlay: Overlay,
  ): Promise<void> {
    const after = withOverlay(before, overlay);
    this.#draft.put(messageRecord.put([place.conversationId, place.seq], after));
    await indexText(this.#draft, place, { before: shownText(before), after: shownText(after) });
    if (after.content.kind === "deleted") await this.#forget(place.conversationId, after);
    if (before.isUnread && !after.isUnread) await this.#countUnread(place.conversationId, -1);
    this.touched.push({ ...place, isNew: false });
  }

  /** Of a message that was deleted this device keeps that it sent it, and not what it said. */
  async #forget(
    conversationId: ConversationId,
    { id, senderUserId, senderDeviceId, clientMessageId }: StoredMessage,
  ): Promise<void> {
    const { userId, deviceId } = this.#me;
    if (id !== null) this.deleted.add(nameOf(conversationId, id));
    if (clientMessageId !== null) this.deleted.add(nameOf(conversationId, senderUserId, clientMessageId));
    if (senderUserId !== userId || senderDeviceId !== deviceId || clientMessageId === null) return;
    const outgoing = await outgoingRecord.get(this.#draft, clientMessageId);
    if (outgoing) this.#draft.put(outgoingRecord.put([clientMessageId], withoutContent(outgoing)));
  }

  async #show(message: PlacedMessage, place: Place, own: OwnMessage): Promise<void> {
    const { conversationId, seq } = place;
    const name =
      "clientMessageId" in message ? ([message.senderUserId, message.clientMessageId] as const) : undefined;
    const other = name && (await placeRecord.get(this.#draft, conversationId, ...name));
    // The same signed id at another place: somebody shows an old message anew.
    const isReplayed = other !== undefined && other !== seq;
    if (isReplayed) this.replayed.add(message);
    const content: StoredContent = isReplayed
      ? { kind: "unreadable", reason: "replayed" }
      : contentOf(message);
    const isNamed = name !== undefined && content.kind !== "unreadable";
    const overlay = await this.#takeOrphans(conversationId, [message.id, isNamed ? name.join("/") : ""]);
    const stored: StoredMessage = {
      id: message.id,
      senderUserId: message.senderUserId,
      senderDeviceId: message.senderDeviceId,
      sentAt: message.sentAt,
      clientMessageId: isNamed ? name[1] : null,
      assurance: "assurance" in message ? message.assurance : null,
      kem: "kem" in message ? message.kem : null,
      content,
      overlay: emptyOverlay,
      isUnread: await this.#isUnread(message, place),
      receipts: message.isOwn
        ? await this.#receiptsOf(message.id, { recipients: own.recipients ?? null })
        : null,
    };
    if (isNamed) this.#draft.put(placeRecord.put([conversationId, ...name], seq));
    // One that cannot be read may have the id of another.
    if (content.kind !== "unreadable" || !(await idRecord.get(this.#draft, message.id)))
      this.#draft.put(idRecord.put([message.id], { conversationId, seq }));
    await this.#put(place, withOverlay(stored, overlay), own.isShown);
  }

  async #put(place: Place, message: StoredMessage, isShown = false): Promise<void> {
    const { conversationId, seq } = place;
    this.#draft.put(messageRecord.put([conversationId, seq], message));
    if (message.content.kind === "deleted") await this.#forget(conversationId, message);
    await indexText(this.#draft, place, { before: undefined, after: shownText(message) });
    if (message.isUnread) await this.#countUnread(conversationId, 1);
    const conversation = await conversationRecord.get(this.#draft, conversationId);
    if (conversation && seq > conversation.lastSeq) {
      const isLater = message.id !== null && place.at > (conversation.lastMessageAt ?? "");
      const lastMessageAt = isLater ? place.at : conversation.lastMessageAt;
      this.#draft.put(
        conversationRecord.put([conversationId], { ...conversation, lastSeq: seq, lastMessageAt }),
      );
    }
    this.touched.push({ conversationId, seq, isNew: !isShown });
  }

  async #isUnread({ isOwn }: ReceivedMessage, { conversationId, seq }: Place): Promise<boolean> {
    if (isOwn || this.#source === "past") return false;
    const conversation = await conversationRecord.get(this.#draft, conversationId);
    return seq > (conversation?.readThrough ?? 0);
  }

  async #countUnread(conversationId: ConversationId, by: 1 | -1): Promise<void> {
    const conversation = await conversationRecord.get(this.#draft, conversationId);
    if (!conversation) return;
    const unreadCount = Math.max(0, conversation.unreadCount + by);
    this.#draft.put(conversationRecord.put([conversationId], { ...conversation, unreadCount }));
  }

  /** As counted here, and at least as many as are known of otherwise. */
  async #receiptsOf(
    messageId: MessageId,
    known: Pick<Receipts, "recipients"> & Partial<Receipts>,
  ): Promise<Receipts> {
    const { recipients, delivered = 0, read = 0 } = known;
    const count = async (kind: string) => (await receiptRecord.list(this.#draft, [messageId, kind])).length;
    return {
      recipients,
      delivered: Math.max(delivered, await count("delivered")),
      read: Math.max(read, await count("read")),
    };
  }

  async #takeOrphans(conversationId: ConversationId, names: readonly string[]): Promise<Overlay> {
    let overlay = emptyOverlay;
    for (const name of names) {
      const orphan = name === "" ? undefined : await orphanRecord.get(this.#draft, conversationId, name);
      if (!orphan) continue;
      overlay = mergeOverlays(overlay, orphan);
      this.#draft.put(orphanRecord.remove(conversationId, name));
    }
    return overlay;
  }
}

/** A message that the log says was deleted, in a place where nothing stands yet. */
export async function isUnseen(
  store: Reader,
  { conversationId, messageId }: { conversationId: ConversationId; messageId: MessageId },
  seq: number,
): Promise<boolean> {
  const known =
    (await idRecord.get(store, messageId)) ?? (await messageRecord.get(store, conversationId, seq));
  return known === undefined;
}

/** The message as it is now; of a deleted one nothing stays but who sent it and when. */
function withOverlay(message: StoredMessage, overlay: Overlay): StoredMessage {
  if (!overlay.deletion) return { ...message, overlay };
  return { ...message, content: { kind: "deleted" }, overlay, isUnread: false };
}
