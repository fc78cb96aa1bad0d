import * as z from "zod/mini";
import { bytes } from "../storage/bytes.ts";
import { defineRecord } from "../storage/records.ts";
import type { Store } from "../storage/store.ts";

const acceptedList = z.object({
  version: z.number(),
  /** SHA-256 of the list. */
  hash: bytes,
  /** As published. */
  list: z.string(),
  uik: bytes,
});

export const identityPin = z.extend(acceptedList, {
  /** ms since the epoch: when this identity key was first seen. */
  sinceMs: z.number(),
  /** The identity key whose safety number the user has compared. Another one is not verified. */
  verifiedUik: z.nullable(bytes),
  /** `strict`: the newest list under another identity key, which the user has not confirmed. */
  unconfirmed: z.nullable(acceptedList),
});
const pinRecord = defineRecord("identity-pin", identityPin);

export type AcceptedList = z.output<typeof acceptedList>;
export type IdentityPin = z.output<typeof pinRecord.schema>;

/** What was accepted of each user's chain. One client has the store, so what is read once stays true. */
export class Pins {
  readonly #store: Store;
  readonly #known = new Map<string, IdentityPin | undefined>();

  constructor(store: Store) {
    this.#store = store;
  }

  async get(userId: string): Promise<IdentityPin | undefined> {
    if (!this.#known.has(userId)) this.#known.set(userId, await pinRecord.get(this.#store, userId));
    return this.#known.get(userId);
  }

  async put(userId: string, pin: IdentityPin): Promise<void> {
    await this.#store.commit([pinRecord.put([userId], pin)]);
    this.#known.set(userId, pin);
  }

  async list(): Promise<{ userId: string; pin: IdentityPin }[]> {
    const stored = await pinRecord.list(this.#store);
    return stored.map(({ path: [userId = ""], value }) => ({ userId, pin: value }));
  }
}
