import type { UserId } from "@sotto/schema";
import * as z from "zod";
import { SottoError } from "../errors.ts";
import { defineRecord } from "../storage/records.ts";
import type { Store, StoreWrite } from "../storage/store.ts";
import { type Outgoing, type SentMessage, outgoing } from "./sent-message.ts";

/** This device's own messages, by `clientMessageId`. */
export const outgoingRecord = defineRecord("sent", outgoing);
/** The queued ones: peer and order to `clientMessageId`. */
const queueRecord = defineRecord("outbox", z.string());

/** The stored side of the outbox. One client has the store, so what is read stays true until it writes. */
export class OutgoingQueue {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * Puts a message at the end of its peer's queue, unless it is queued already; gives the answer of one that was
   * delivered. Throws `CLIENT_MESSAGE_ID_REUSED`.
   */
  async add(
    clientMessageId: string,
    given: Pick<Outgoing, "peerUserId" | "text" | "sentAtMs">,
  ): Promise<SentMessage | undefined> {
    const earlier = await outgoingRecord.get(this.#store, clientMessageId);
    if (earlier && (earlier.text !== given.text || earlier.peerUserId !== given.peerUserId)) {
      throw new SottoError("CLIENT_MESSAGE_ID_REUSED");
    }
    if (earlier?.delivered) return { clientMessageId, ...earlier.delivered };
    if (earlier?.state === "queued") return undefined;
    const [newest] = await queueRecord.list(this.#store, [given.peerUserId], { isReversed: true, limit: 1 });
    const order = Number(newest?.path[1] ?? 0) + 1;
    const message = earlier ?? { ...given, counter: null, sealed: null, delivered: null };
    await this.#store.commit([
      outgoingRecord.put([clientMessageId], { ...message, order, state: "queued" }),
      queueRecord.put([given.peerUserId, order], clientMessageId),
    ]);
    return undefined;
  }

  async listPeers(): Promise<string[]> {
    const queued = await queueRecord.list(this.#store);
    return [...new Set(queued.map(({ path: [peer = ""] }) => peer))];
  }

  /** The `clientMessageId` of the message that is next for this peer. */
  async findNext(peer: UserId): Promise<string | undefined> {
    const [head] = await queueRecord.list(this.#store, [peer], { limit: 1 });
    return head?.value;
  }

  async get(clientMessageId: string): Promise<Outgoing> {
    const message = await outgoingRecord.get(this.#store, clientMessageId);
    if (!message) throw new TypeError("a queue entry without its message");
    return message;
  }

  async update(
    clientMessageId: string,
    message: Outgoing,
    writes: readonly StoreWrite[] = [],
  ): Promise<void> {
    await this.#store.commit([...writes, outgoingRecord.put([clientMessageId], message)]);
  }

  /** Stores a message's end and takes it out of the queue. */
  async close(clientMessageId: string, message: Outgoing): Promise<void> {
    await this.update(clientMessageId, message, [queueRecord.remove(message.peerUserId, message.order)]);
  }
}
