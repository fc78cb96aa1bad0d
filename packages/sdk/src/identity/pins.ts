import * as z from "zod/mini";
import { bytes } from "../storage/bytes.ts";
import { defineRecord } from "../storage/records.ts";
import type { Store } from "../storage/store.ts";
import type { Turns } from "../turns.ts";

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
  /** `strict`: the newest list since the identity key was given up, which the user has not confirmed. */
  unconfirmed: z.nullable(acceptedList),
});
const pinRecord = defineRecord("identity-pin", identityPin);

export type AcceptedList = z.output<typeof acceptedList>;
export type IdentityPin = z.output<typeof pinRecord.schema>;

/** What was accepted of each user's chain. Each change is judged by what is stored at that moment. */
export class Pins {
  readonly #store: Store;
  readonly #turns: Turns;
  /** One client has the store, so what is read once stays true; with several tabs nothing is kept here. */
  readonly #known = new Map<string, IdentityPin | undefined>();

  constructor(store: Store, turns: Turns) {
    this.#store = store;
    this.#turns = turns;
  }

  async get(userId: string): Promise<IdentityPin | undefined> {
    if (this.#store.tabs) return pinRecord.get(this.#store, userId);
    if (this.#known.has(userId)) return this.#known.get(userId);
    const stored = await pinRecord.get(this.#store, userId);
    // An `update` may have been faster.
    if (!this.#known.has(userId)) this.#known.set(userId, stored);
    return this.#known.get(userId);
  }

  /** Replaces a pin by what `decide` makes of it, unless that is undefined. No network in `decide`. Gives the pin. */
  update(
    userId: string,
    decide: (pin: IdentityPin | undefined) => Promise<IdentityPin | undefined> | IdentityPin | undefined,
  ): Promise<IdentityPin | undefined> {
    return this.#turns.run(async () => {
      const present = await this.get(userId);
      const next = await decide(present);
      if (!next || next === present) return present;
      await this.#store.commit([pinRecord.put([userId], next)]);
      this.#known.set(userId, next);
      return next;
    });
  }

  async list(): Promise<{ userId: string; pin: IdentityPin }[]> {
    const stored = await pinRecord.list(this.#store);
    return stored.map(({ path: [userId = ""], value }) => ({ userId, pin: value }));
  }
}
