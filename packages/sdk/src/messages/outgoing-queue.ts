import { type Message, type MessageId, compareBytes } from "@sotto/schema";
import * as z from "zod/mini";
import { type Payload, encodePayload } from "../crypto/payload.ts";
import { SottoError, type SottoErrorCode } from "../errors.ts";
import { type Reader, defineRecord } from "../storage/records.ts";
import type { Store, StoreWrite } from "../storage/store.ts";
import { idRecord, messageRecord } from "../timeline/records.ts";
import type { Turns } from "../turns.ts";
import { type Destination, type LaneKey, destinationOf, laneKey } from "./destination.ts";
import type { SealedOutgoing } from "./seal-outgoing.ts";
import { numberOf, refusedWrites, storedWrites } from "./sending-numbers.ts";
import {
  type Outgoing,
  type Sealed,
  type SentMessage,
  isSealed,
  outgoing,
  toDelivered,
  toSentMessage,
} from "./sent-message.ts";

/** This device's own messages, by `clientMessageId`. */
export const outgoingRecord = defineRecord("sent", outgoing);
/** The queued ones: lane and order to `clientMessageId`. */
const queueRecord = defineRecord("outbox", z.string());
/** Those whose own log entry has not come yet, the queued and failed ones too: lane and order to `clientMessageId`. */
const unplacedRecord = defineRecord("unplaced", z.string());

/** A message of this device's, whatever became of it. */
export function findOutgoing(store: Reader, clientMessageId: string): Promise<Outgoing | undefined> {
  return outgoingRecord.get(store, clientMessageId);
}

export interface Unplaced {
  clientMessageId: string;
  message: Outgoing;
}

/** This device's own messages that have no place in the log yet, in the order of their sending. */
export async function listUnplaced(store: Reader, to: Destination): Promise<Unplaced[]> {
  const listed = await unplacedRecord.list(store, laneKey(to));
  const found = await Promise.all(
    listed.map(async ({ value: clientMessageId }) => {
      const message = await outgoingRecord.get(store, clientMessageId);
      return message ? [{ clientMessageId, message }] : [];
    }),
  );
  return found.flat();
}

/**
 * Takes a message out of the queue, and of those without a place. Its order may be another one's by then: once nothing is
 * left in a lane, numbers begin anew.
 */
async function leavingWrites(store: Reader, { clientMessageId, message }: Unplaced): Promise<StoreWrite[]> {
  const at = [...laneKey(message.destination), message.order] as const;
  const isUnplaced = (await unplacedRecord.get(store, ...at)) === clientMessageId;
  return [
    ...(message.state === "queued" ? [queueRecord.remove(...at)] : []),
    ...(isUnplaced ? [unplacedRecord.remove(...at)] : []),
  ];
}

/**
 * To be committed when the message's own log entry is: it has a place now. It is delivered then, whether or not the
 * answer to its sending ever came. `counter`: as the entry's header says; `form`: the one that has it, unless its delivery
 * is known.
 */
export async function placedWrites(
  store: Reader,
  { clientMessageId, message }: Unplaced,
  { at, counter, form }: { at: Message; counter: number; form: Sealed | undefined },
): Promise<StoreWrite[]> {
  const { id, conversationId, sentAt } = at;
  const delivered = message.delivered ?? (form ? toDelivered(form, { id, conversationId, sentAt }) : null);
  return [
    ...(await leavingWrites(store, { clientMessageId, message })),
    ...(await storedWrites(store, message, { conversationId, counter })),
    outgoingRecord.put([clientMessageId], { ...message, ...asDelivered, delivered }),
  ];
}

/** What stays of a message that was deleted. */
export function withoutContent(message: Outgoing): Outgoing {
  return { ...message, payload: { kind: "unknown", type: "", bytes: new Uint8Array() } };
}

/** A message of this device's that was deleted before its own log entry came: nothing is left of what it said. */
export async function erasedWrites(store: Reader, to: Destination, id: MessageId): Promise<StoreWrite[]> {
  const unplaced = await listUnplaced(store, to);
  const erased = unplaced.find(({ message }) => message.delivered?.id === id);
  return erased ? erasingWrites(store, erased) : [];
}

async function erasingWrites(store: Reader, { clientMessageId, message }: Unplaced): Promise<StoreWrite[]> {
  return [
    ...(await leavingWrites(store, { clientMessageId, message })),
    outgoingRecord.put([clientMessageId], withoutContent(message)),
  ];
}

const unsealed = { counter: null, sealed: null, refusedForm: null } satisfies Partial<Outgoing>;
const asDelivered = {
  state: "delivered",
  error: null,
  sealed: null,
  refusedForm: null,
} satisfies Partial<Outgoing>;

/** The stored side of the outbox. Changes are made one at a time: what is read stays true until it is written. */
export class OutgoingQueue {
  readonly #store: Store;
  readonly #turns: Turns;

  constructor(store: Store, turns: Turns) {
    this.#store = store;
    this.#turns = turns;
  }

  /**
   * Puts a message at the end of its lane, unless it is queued already; gives the answer of one that was delivered.
   * Throws `CLIENT_MESSAGE_ID_REUSED`.
   */
  add(
    clientMessageId: string,
    given: Pick<Outgoing, "destination" | "payload">,
  ): Promise<SentMessage | undefined> {
    return this.#turns.run(async () => {
      const earlier = await outgoingRecord.get(this.#store, clientMessageId);
      if (earlier && !isSame(earlier, given)) throw new SottoError("CLIENT_MESSAGE_ID_REUSED");
      if (earlier?.delivered) return toSentMessage(clientMessageId, earlier.delivered);
      if (earlier?.state === "queued") return undefined;
      await this.#enqueue(clientMessageId, earlier ?? { ...given, ...unsealed });
      return undefined;
    });
  }

  /** Queues a failed message once more, at the end of its lane, with the bytes that it has unless they were refused. Undefined: it has not failed. */
  requeue(clientMessageId: string): Promise<Outgoing | undefined> {
    return this.#turns.run(async () => {
      const message = await outgoingRecord.get(this.#store, clientMessageId);
      if (message?.state !== "failed") return undefined;
      await this.#enqueue(clientMessageId, message);
      return message;
    });
  }

  async #enqueue(
    clientMessageId: string,
    message: Outgoing | Pick<Outgoing, "destination" | "payload" | keyof typeof unsealed>,
  ): Promise<void> {
    const lane = laneKey(message.destination);
    const [newest] = await unplacedRecord.list(this.#store, lane, { isReversed: true, limit: 1 });
    const [last] = await queueRecord.list(this.#store, lane, { isReversed: true, limit: 1 });
    const order = Math.max(Number(newest?.path[2] ?? 0), Number(last?.path[2] ?? 0)) + 1;
    await this.#store.commit([
      ...("order" in message ? await leavingWrites(this.#store, { clientMessageId, message }) : []),
      outgoingRecord.put([clientMessageId], {
        ...message,
        order,
        state: "queued",
        error: null,
        delivered: null,
      }),
      queueRecord.put([...lane, order], clientMessageId),
      unplacedRecord.put([...lane, order], clientMessageId),
    ]);
  }

  async listLanes(): Promise<Destination[]> {
    const queued = await queueRecord.list(this.#store);
    const lanes = new Map(queued.map(({ path: [kind, id] }) => [`${kind}/${id}`, destinationOf([kind, id])]));
    return [...lanes.values()];
  }

  /** The `clientMessageId` of the message that is next in this lane. */
  async findNext(lane: LaneKey): Promise<string | undefined> {
    const [head] = await queueRecord.list(this.#store, lane, { limit: 1 });
    return head?.value;
  }

  /** Throws `ABORTED` for a message that was cancelled. */
  async get(clientMessageId: string): Promise<Outgoing> {
    const message = await outgoingRecord.get(this.#store, clientMessageId);
    if (!message) throw new SottoError("ABORTED");
    return message;
  }

  /**
   * Stores what a message was sealed to. Where something else was stored meanwhile that stays, and is given: it may be on
   * its way. Throws `ABORTED` for a message that was cancelled.
   */
  storeSealed(clientMessageId: string, { sealed, counter, writes }: SealedOutgoing): Promise<Outgoing> {
    return this.#turns.run(async () => {
      const present = await this.get(clientMessageId);
      if (present.delivered || isSealed(present)) return present;
      const message = { ...present, sealed, counter };
      await this.#store.commit([...writes, outgoingRecord.put([clientMessageId], message)]);
      return message;
    });
  }

  /** Stores a message's delivery, in the form in which the server has it, and takes it out of the queue. */
  close(
    clientMessageId: string,
    delivered: NonNullable<Outgoing["delivered"]>,
    stored: Sealed,
  ): Promise<Outgoing | undefined> {
    return this.#end(clientMessageId, { ...asDelivered, delivered }, stored);
  }

  /**
   * The server has refused a message in this form: it is sealed anew before it is sent again, and the next one tells its
   * number, so that nobody misses it. After its only request nothing is under way, and it takes another number. The form
   * is kept: a duplicate of the request may yet arrive, and its log entry is then this message's.
   */
  refuse(
    clientMessageId: string,
    form: Sealed,
    { isOnlyRequest }: { isOnlyRequest: boolean },
  ): Promise<Outgoing> {
    return this.#turns.run(async () => {
      const present = await this.get(clientMessageId);
      if (present.sealed?.body !== form.body) return present;
      const counter = isOnlyRequest ? null : present.counter;
      const message = { ...present, counter, sealed: null, refusedForm: form };
      await this.#store.commit([
        ...(await refusedWrites(this.#store, present)),
        outgoingRecord.put([clientMessageId], message),
      ]);
      return message;
    });
  }

  /** Stores why a message was not sent and takes it out of the queue. Undefined: it was cancelled, or has been sent. */
  fail(clientMessageId: string, error: SottoErrorCode): Promise<Outgoing | undefined> {
    return this.#end(clientMessageId, { state: "failed", error });
  }

  #end(clientMessageId: string, change: Partial<Outgoing>, stored?: Sealed): Promise<Outgoing | undefined> {
    return this.#turns.run(async () => {
      const queued = await outgoingRecord.get(this.#store, clientMessageId);
      if (!queued || (queued.delivered && !change.delivered)) return undefined;
      const message = { ...queued, ...change };
      await this.#store.commit([
        outgoingRecord.put([clientMessageId], message),
        ...(queued.state === "queued"
          ? [queueRecord.remove(...laneKey(message.destination), message.order)]
          : []),
        ...(stored ? await storedWrites(this.#store, queued, numberOf(stored)) : []),
        ...((await this.#isErased(message))
          ? await erasingWrites(this.#store, { clientMessageId, message })
          : []),
      ]);
      return message;
    });
  }

  /** The log has said that it was deleted before this device learned that it was stored. */
  async #isErased({ delivered }: Outgoing): Promise<boolean> {
    const at = delivered && (await idRecord.get(this.#store, delivered.id));
    // Another conversation's line says nothing of this message, whatever id the server has given it.
    if (at?.conversationId !== delivered?.conversationId) return false;
    const placed = at && (await messageRecord.get(this.#store, at.conversationId, at.seq));
    return placed?.content.kind === "deleted";
  }

  /** Forgets a message that has certainly not been sent. Undefined: it may have been, or is not known. */
  cancel(clientMessageId: string): Promise<Outgoing | undefined> {
    return this.#turns.run(async () => {
      const message = await outgoingRecord.get(this.#store, clientMessageId);
      if (!message || message.counter !== null || message.delivered) return undefined;
      await this.#store.commit([
        outgoingRecord.remove(clientMessageId),
        ...(await leavingWrites(this.#store, { clientMessageId, message })),
      ]);
      return message;
    });
  }
}

/** The same content to the same place, whenever it was said. */
function isSame(earlier: Outgoing, given: Pick<Outgoing, "destination" | "payload">): boolean {
  const [a, b] = [earlier.destination, given.destination].map((to) => laneKey(to).join("/"));
  return a === b && compareBytes(untimed(earlier.payload), untimed(given.payload)) === 0;
}

function untimed(payload: Payload): Uint8Array {
  return encodePayload(payload.kind === "unknown" ? payload : { ...payload, sentAtMs: 0 });
}
