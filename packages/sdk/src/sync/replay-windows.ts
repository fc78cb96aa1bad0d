import type { ConversationId, DeviceId, MessageId, UserId } from "@sotto/schema";
import * as z from "zod/mini";
import { acceptCounter, missingCounters, replayWindowSize } from "../crypto/replay-window.ts";
import type { SequenceEvent } from "../events.ts";
import { bytes } from "../storage/bytes.ts";
import { defineRecord } from "../storage/records.ts";
import type { Store, StoreWrite } from "../storage/store.ts";

/** Counters seen, by conversation, user and device. */
const replayRecord = defineRecord(
  "replay",
  z.object({
    first: z.number(),
    highest: z.number(),
    seen: bytes,
    /** Not missed: messages that stand in the log and could not be opened, or were deleted, and what was never stored. */
    excused: z._default(z.array(z.number()), []),
    /** This user was away from the group: what the next message skips was not for them. */
    isResumed: z._default(z.boolean(), false),
  }),
);
type Counters = z.output<typeof replayRecord.schema>;

/** By conversation and user, deleted messages whose numbers are not known yet: the log has their places, not their headers. */
const erasedRecord = defineRecord("erased-of", z.number());

interface SendingUser {
  conversationId: ConversationId;
  senderUserId: UserId;
}

/** A device in a conversation. */
export interface Sender extends SendingUser {
  senderDeviceId: DeviceId;
}

/** How many numbers of a device have not come. */
export interface Withheld {
  senderUserId: UserId;
  senderDeviceId: DeviceId;
  missing: number;
}

/** Excused numbers of one device that are kept at most: whoever invents headers must not fill the store. */
const maxExcused = 2 * replayWindowSize;

/** Whose messages have gaps in a conversation. */
export async function listWithheld(store: Store, conversationId: ConversationId): Promise<Withheld[]> {
  const known = await replayRecord.list(store, [conversationId]);
  return known.flatMap(({ path, value }) => {
    const missing = countMissing(value);
    // The path's parts are what the record was put under.
    const [, senderUserId, senderDeviceId] = path as [string, UserId, DeviceId];
    return missing === 0 ? [] : [{ senderUserId, senderDeviceId, missing }];
  });
}

/** The replay windows that a batch moves, until they are committed with it, and what they tell. */
export class ReplayWindows {
  readonly #store: Store;
  readonly #moved = new Map<string, { sender: Sender; before: number; counters: Counters }>();
  readonly #erased = new Map<string, { user: SendingUser; count: number }>();
  readonly #came = new Set<MessageId>();
  readonly #reordered: SequenceEvent[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  async accept(
    sender: Sender,
    { counter, id, refused }: { counter: number; id: MessageId; refused: readonly number[] },
  ): Promise<"fresh" | "replayed" | "too_old"> {
    const known = await this.#find(sender);
    const accepted = acceptCounter(known, counter);
    if (accepted.verdict !== "fresh") return accepted.verdict;
    if (known && counter < known.highest)
      this.#reordered.push({ ...sender, type: "reordered", messageId: id });
    const isBack = known?.isResumed === true && counter > known.highest;
    const said = refused.filter((one) => one < counter);
    const excused = [...new Set([...(isBack ? [] : (known?.excused ?? [])), ...said])];
    const next = {
      ...accepted.window,
      first: isBack ? counter : accepted.window.first,
      isResumed: isBack ? false : (known?.isResumed ?? false),
      excused: excused.filter((one) => one > accepted.window.highest - replayWindowSize),
    };
    await this.#put(sender, isBack ? next : await this.#excuseErased(sender, next, accepted));
    return "fresh";
  }

  /** A message that stands in the log, and cannot be opened: the application sees that it is there. */
  async excuse(sender: Sender, counter: number): Promise<void> {
    const known = await this.#find(sender);
    if (!known || known.excused.length >= maxExcused || known.excused.includes(counter)) return;
    await this.#put(sender, { ...known, excused: [...known.excused, counter] });
  }

  /** A message of this batch: not in the store yet, and known all the same. */
  came(id: MessageId): void {
    this.#came.add(id);
  }

  /** A user's message that was deleted before it came: its line shows that. */
  async erased(user: SendingUser, id: MessageId): Promise<void> {
    if (this.#came.has(id)) return;
    this.#came.add(id);
    this.#setErased(user, (await this.#countErased(user)) + 1);
  }

  /** This user is back in a group. */
  async resume(conversationId: ConversationId): Promise<void> {
    for (const { path } of await replayRecord.list(this.#store, [conversationId])) {
      const [, senderUserId, senderDeviceId] = path as [string, UserId, DeviceId];
      await this.#find({ conversationId, senderUserId, senderDeviceId });
    }
    for (const moved of this.#moved.values()) {
      if (moved.sender.conversationId === conversationId)
        moved.counters = { ...moved.counters, isResumed: true };
    }
  }

  writes(): StoreWrite[] {
    return [
      ...[...this.#moved.values()].map(({ sender, counters }) => replayRecord.put(keyOf(sender), counters)),
      ...[...this.#erased.values()].map(({ user, count }) =>
        erasedRecord.put([user.conversationId, user.senderUserId], count),
      ),
    ];
  }

  /** To be told once that is committed. */
  events(): SequenceEvent[] {
    const changed = [...this.#moved.values()].flatMap(({ sender, before, counters }): SequenceEvent[] => {
      const missing = countMissing(counters);
      return missing === before ? [] : [{ ...sender, type: "withheld", missing }];
    });
    return [...this.#reordered, ...changed];
  }

  async #find(sender: Sender): Promise<Counters | undefined> {
    const key = keyOf(sender).join("/");
    const moved = this.#moved.get(key);
    if (moved) return moved.counters;
    const counters = await replayRecord.get(this.#store, ...keyOf(sender));
    if (counters) this.#moved.set(key, { sender, before: countMissing(counters), counters });
    return counters;
  }

  async #put(sender: Sender, counters: Counters): Promise<void> {
    const key = keyOf(sender).join("/");
    const before = this.#moved.get(key)?.before ?? 0;
    this.#moved.set(key, { sender, before, counters });
  }

  async #countErased({ conversationId, senderUserId }: SendingUser): Promise<number> {
    const moved = this.#erased.get(`${conversationId}/${senderUserId}`);
    return moved?.count ?? (await erasedRecord.get(this.#store, conversationId, senderUserId)) ?? 0;
  }

  #setErased(user: SendingUser, count: number): void {
    this.#erased.set(`${user.conversationId}/${user.senderUserId}`, { user, count });
  }

  /** A gap may be what a moderator has deleted: of which of the user's devices that was, the log does not tell. */
  async #excuseErased(
    sender: Sender,
    counters: Counters,
    { withheld }: { withheld: { from: number; to: number } | undefined },
  ): Promise<Counters> {
    if (!withheld) return counters;
    const erased = await this.#countErased(sender);
    if (erased === 0) return counters;
    const skipped = missingCounters(counters).filter(
      (one) => one >= withheld.from && !counters.excused.includes(one),
    );
    const deleted = skipped.slice(0, erased);
    this.#setErased(sender, erased - deleted.length);
    return { ...counters, excused: [...counters.excused, ...deleted] };
  }
}

const keyOf = ({ conversationId, senderUserId, senderDeviceId }: Sender): string[] => [
  conversationId,
  senderUserId,
  senderDeviceId,
];

function countMissing(counters: Counters): number {
  return missingCounters(counters).filter((one) => !counters.excused.includes(one)).length;
}
