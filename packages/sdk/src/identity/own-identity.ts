import { type Bytes, type DeviceListParts, type ListedDevice, parseDeviceList } from "@sotto/schema";
import type { Api } from "../api/api.ts";
import { isGivenUp, judgeChain, readDeviceList } from "../crypto/device-list.ts";
import { type KeyPair, equalConstantTime } from "../crypto/primitives.ts";
import { SottoError } from "../errors.ts";
import type { IdentityEvent } from "../events.ts";
import type { Store } from "../storage/store.ts";
import { type Turns, turnsOf } from "../turns.ts";
import type { Account, Me } from "./account.ts";
import type { Directory } from "./directory.ts";
import type { Identities, Lookup } from "./identities.ts";
import { OwnChain, type PublishedHandover } from "./own-chain.ts";
import {
  type OwnKey,
  generateOwnKey,
  linkRecord,
  nextKeyRecord,
  ownKeyRecord,
  signingPairOf,
} from "./own-key.ts";
import type { IdentityPin } from "./pins.ts";

/** Whether the user's own list names this device: `pending` until another device approves it. */
export type LinkState = "unknown" | "linked" | "pending";

export interface OwnIdentityOptions {
  store: Store;
  api: Api;
  me: Me;
  account: Account;
  identities: Identities;
  directory: Directory;
  tell: (event: IdentityEvent) => void;
  now: () => number;
}

interface RestoreOptions {
  known?: IdentityPin | undefined;
  signal?: AbortSignal | undefined;
}

interface ResetOptions {
  /** Nobody has asked for it. */
  isProvisional: boolean;
  signal?: AbortSignal | undefined;
}

/** What a list under another identity key follows, and whom it names beside this device. */
interface ListPlace {
  before: string | null;
  devices: readonly ListedDevice[];
}

const maxTries = 5;

/** The user's identity key and signed device list, as seen from this device. */
export class OwnIdentity {
  readonly chain: OwnChain;
  readonly #options: OwnIdentityOptions;
  readonly #turns: Turns;
  #state: LinkState = "unknown";
  /** Takes what another device has handed over, where there is something. */
  #takeHandover: (lookup: Lookup, signal?: AbortSignal) => Promise<boolean> = async () => false;

  constructor(options: OwnIdentityOptions) {
    this.#options = options;
    const { store, api, me, now, identities } = options;
    this.#turns = turnsOf(store, "identity");
    this.chain = new OwnChain({ store, api, me, now, pins: identities.pins });
  }

  get state(): LinkState {
    return this.#state;
  }

  /** What was told here or by another tab. */
  hear(event: IdentityEvent): void {
    this.#options.identities.hear(event);
    if (event.type === "linked") this.#state = "linked";
    if (event.type === "not_linked") this.#state = "pending";
  }

  /** The next `ready` asks. */
  forget(): void {
    this.#state = "unknown";
  }

  onPending(take: (lookup: Lookup, signal?: AbortSignal) => Promise<boolean>): void {
    this.#takeHandover = take;
  }

  /**
   * Looks whether the server has what this device published, and this device stands in the user's list; makes good what
   * it can. The first device of a user makes the identity key here.
   */
  check(signal?: AbortSignal): Promise<void> {
    return this.#turns.run(() => this.#check(signal));
  }

  /** As `check`, unless this device is known to be linked: the news of an approval may still be on its way. */
  async ready(signal?: AbortSignal): Promise<LinkState> {
    if (this.#state !== "linked") await this.check(signal);
    return this.#state;
  }

  /**
   * Changes the list, again and again while other devices change it too; not where `compute` gives undefined. Throws
   * `CANNOT_SIGN`, `DEVICE_NOT_LINKED`.
   */
  change(
    compute: (
      devices: readonly ListedDevice[],
    ) => Promise<ListedDevice[] | undefined> | ListedDevice[] | undefined,
    options: { handover?: PublishedHandover | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    return this.#turns.run(async () => {
      const { uik } = await this.requireSigning();
      await this.#followingConflicts(async () => {
        const { list } = await this.#requirePin(options.signal);
        const devices = await compute(parseDeviceList(list).devices);
        if (devices) await this.chain.append(list, devices, { ...options, uik });
      });
      await this.#settle(options.signal);
    });
  }

  /** Goes on with a new identity key, and this device alone. Everyone who knows the old key is warned. */
  reset(signal?: AbortSignal): Promise<void> {
    return this.#turns.run(() => this.#reset({ isProvisional: false, signal }));
  }

  /**
   * Takes up a restored identity key and signs this device in. `known`: what the backup knew of the user's own lists.
   * Throws `IDENTITY_CHANGED` when the user has another key by now, `BAD_ANSWER` when the server's lists cannot be.
   */
  restore(key: OwnKey, { known, signal }: RestoreOptions = {}): Promise<void> {
    return this.#turns.run(async () => {
      const { me, identities, now } = this.#options;
      const { userId } = me;
      const stored = await identities.pins.get(userId);
      const pin = isNewer(known, stored) ? known : stored;
      await this.#goOnWith(
        key,
        async () => {
          const lookup = await identities.lookUp(userId, signal, pin ?? null);
          const chain = await judgeChain(lookup, { userId, now: now(), pin });
          if (!chain.ok) {
            identities.tellRefused(userId, chain.reason);
            throw new SottoError("BAD_ANSWER");
          }
          const { newest } = chain;
          const isOld = newest && isGivenUp(chain.lists, key.uik);
          if (isOld && !(await this.#mayGiveUp(newest.parts))) {
            throw new SottoError("IDENTITY_CHANGED", { details: { userId } });
          }
          return { before: newest?.text ?? null, devices: newest?.parts.devices ?? [] };
        },
        signal,
      );
    });
  }

  /** The key, and the pair to sign with. Throws `DEVICE_NOT_LINKED`, `CANNOT_SIGN`. */
  async requireSigning(): Promise<{ key: OwnKey; uik: KeyPair }> {
    const key = await ownKeyRecord.get(this.#options.store);
    if (!key || this.#state === "pending") throw new SottoError("DEVICE_NOT_LINKED");
    const uik = await signingPairOf(key);
    if (!uik) throw new SottoError("CANNOT_SIGN");
    return { key, uik };
  }

  async #check(signal?: AbortSignal): Promise<void> {
    const { store, me, identities, account, api, tell } = this.#options;
    const lookup = await identities.lookUp(me.userId, signal);
    const healed = await account.healKeys(api, lookup.devices, signal);
    if (healed) tell({ type: "keys_republished", reason: healed });
    if (await this.chain.giveBack(lookup, signal)) {
      tell({ type: "list_republished", fromVersion: lookup.currentVersion + 1 });
      return this.#settle(signal);
    }
    await this.#takeUpNext(lookup);
    const pin = await identities.pins.get(me.userId);
    if (lookup.currentVersion === 0 && !pin) return this.#makeFirst(signal);
    let own = await ownKeyRecord.get(store);
    if (own && !pin && !isNamed(own, lookup)) {
      // Another device was faster, and this key has never been published.
      await store.commit([ownKeyRecord.remove()]);
      own = undefined;
    }
    // First: a device that is let in again knows the key, and would be linked without what else is handed over.
    if (await this.#takeHandover(lookup, signal)) return this.#settle(signal);
    await this.#see(lookup, signal);
    if (this.#state !== "pending") return;
    // Where the last device has signed itself out, nobody is left who could approve this one.
    const newest = await this.#findNewest(lookup);
    if (newest?.devices.length !== 0) return;
    if (own && equalConstantTime(newest.uik, own.uik)) return this.#comeBack(own, lookup, signal);
    // An identity that is known here is not given up for a list under another key: the server could have made it.
    if (!own && !pin) await this.#reset({ isProvisional: true, signal });
  }

  /** This device had begun to sign out, and has not: it goes on with the identity that it has. */
  async #comeBack(key: OwnKey, { lists }: Lookup, signal?: AbortSignal): Promise<void> {
    const uik = await signingPairOf(key);
    if (!uik) return;
    try {
      await this.chain.append(lists.at(-1) ?? null, this.#withSelf([]), { uik, signal });
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
    await this.#settle(signal);
  }

  /** Asks anew, after this device has changed something. */
  async #settle(signal?: AbortSignal): Promise<void> {
    await this.#see(await this.#options.identities.lookUp(this.#options.me.userId, signal), signal);
  }

  async #see(given: Lookup, signal?: AbortSignal): Promise<void> {
    const { store, me, identities, directory, tell } = this.#options;
    const { trust, accepted } = await identities.judge(me.userId, given, signal);
    const isLinked = trust.kind === "listed" && this.#isOwn(trust.diks.get(me.deviceId));
    const before = this.#state;
    this.#state = isLinked ? "linked" : "pending";
    if (isLinked) await this.chain.keep(accepted);
    // Whoever has seen the code of then must not hand over another identity later.
    if (isLinked && (await linkRecord.get(store))) await store.commit([linkRecord.remove()]);
    directory.forget(me.userId);
    if (before !== this.#state) tell({ type: isLinked ? "linked" : "not_linked" });
  }

  async #makeFirst(signal?: AbortSignal): Promise<void> {
    const { store } = this.#options;
    const key = (await ownKeyRecord.get(store)) ?? { ...(await generateOwnKey()), isProvisional: true };
    // In the store before anyone relies on it.
    await store.commit([ownKeyRecord.put([], key)]);
    const uik = await signingPairOf(key);
    if (!uik) return;
    try {
      await this.chain.append(null, this.#withSelf([]), { uik, signal });
    } catch (error) {
      if (!isConflict(error)) throw error;
      return this.#check(signal);
    }
    await this.#settle(signal);
  }

  async #reset({ isProvisional, signal }: ResetOptions): Promise<void> {
    const { me, identities } = this.#options;
    await this.#goOnWith(
      { ...(await generateOwnKey()), isProvisional },
      async () => {
        // Whatever was known of the lists before: the server may have been set back behind it.
        const { lists } = await identities.lookUp(me.userId, signal, null);
        return { before: lists.at(-1) ?? null, devices: [] };
      },
      signal,
    );
  }

  /**
   * Publishes a list under another identity key, with this device in it. The present key stays until that is done, and
   * the other one is in the store before: whatever breaks off, this device has the key of the list that is in force.
   */
  async #goOnWith(
    key: OwnKey,
    findPlace: () => Promise<ListPlace>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { store, me, identities } = this.#options;
    const uik = await signingPairOf(key);
    if (!uik) throw new SottoError("CANNOT_SIGN");
    // One of earlier that may be in force is not lost when this one breaks off too.
    if (await nextKeyRecord.get(store)) await this.#takeUpNext(await identities.lookUp(me.userId, signal));
    await this.#followingConflicts(async () => {
      const { before, devices } = await findPlace();
      await store.commit([nextKeyRecord.put([], key)]);
      await this.chain.append(before, this.#withSelf(devices), { uik, signal });
    });
    await store.commit([ownKeyRecord.put([], key), nextKeyRecord.remove()]);
    await this.#settle(signal);
  }

  /**
   * A list under the next identity key was published, and this device did not hear of it. One that does not name this
   * device is not that list: under a restored key there are older ones, and the server can show any of them.
   */
  async #takeUpNext(lookup: Lookup): Promise<void> {
    const { store, me } = this.#options;
    const next = await nextKeyRecord.get(store);
    const newest = next && (await this.#findNewest(lookup));
    if (!newest || !equalConstantTime(newest.uik, next.uik)) return;
    if (!this.#isOwn(newest.devices.find(({ deviceId }) => deviceId === me.deviceId)?.dik)) return;
    await store.commit([ownKeyRecord.put([], next), nextKeyRecord.remove()]);
  }

  /** This device alone is in the present identity, which it made by itself. One that the user has asked for stays. */
  async #mayGiveUp({ uik, devices }: DeviceListParts): Promise<boolean> {
    const { store, me } = this.#options;
    const own = await ownKeyRecord.get(store);
    return (
      !!own?.isProvisional && equalConstantTime(own.uik, uik) && !withoutDevice(devices, me.deviceId).length
    );
  }

  /** The newest list, where the chain is right and goes on from the one that was accepted; else a server could show an old one. */
  async #findNewest(lookup: Lookup): Promise<DeviceListParts | undefined> {
    const { me, now, identities } = this.#options;
    const pin = await identities.pins.get(me.userId);
    const chain = await judgeChain(lookup, { userId: me.userId, now: now(), pin });
    return chain.ok ? chain.newest?.parts : undefined;
  }

  async #requirePin(signal?: AbortSignal) {
    const { me, identities } = this.#options;
    await this.#see(await identities.lookUp(me.userId, signal), signal);
    const pin = await identities.pins.get(me.userId);
    if (!pin || this.#state !== "linked") throw new SottoError("DEVICE_NOT_LINKED");
    return pin;
  }

  async #followingConflicts(run: () => Promise<void>): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await run();
      } catch (error) {
        if (!isConflict(error) || tries === maxTries) throw error;
      }
    }
  }

  /** Whether the key that a list has for this device is this device's. */
  #isOwn(dik: Bytes | undefined): boolean {
    const own = this.#options.account.keys.dik?.publicKeyBytes;
    return dik !== undefined && own !== undefined && equalConstantTime(dik, own);
  }

  #withSelf(devices: readonly ListedDevice[]): ListedDevice[] {
    const { me, account, now } = this.#options;
    return withDevice(devices, { deviceId: me.deviceId, dik: requireDik(account), addedSec: toSec(now()) });
  }
}

const toSec = (ms: number) => Math.floor(ms / 1000);

function requireDik({ keys }: Account): Bytes {
  if (!keys.dik) throw new TypeError("a device without an identity key");
  return keys.dik.publicKeyBytes;
}

/** The list with this device in it, once. */
export function withDevice(devices: readonly ListedDevice[], device: ListedDevice): ListedDevice[] {
  return [...withoutDevice(devices, device.deviceId), device];
}

export function withoutDevice(devices: readonly ListedDevice[], deviceId: string): ListedDevice[] {
  return devices.filter((device) => device.deviceId !== deviceId);
}

/** Of the same identity; of another one, what this device has accepted itself counts. */
function isNewer(known: IdentityPin | undefined, stored: IdentityPin | undefined): boolean {
  if (!known || !stored) return known !== undefined;
  return equalConstantTime(known.uik, stored.uik) && known.version > stored.version;
}

/** The newest list names this identity key, whether or not it is right. */
function isNamed({ uik }: OwnKey, { lists }: Lookup): boolean {
  const newest = readDeviceList(lists.at(-1) ?? "");
  return newest !== undefined && equalConstantTime(newest.uik, uik);
}

function isConflict(error: unknown): boolean {
  return error instanceof SottoError && error.code === "DEVICE_LIST_CONFLICT";
}
