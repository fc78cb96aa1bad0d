import { type Bytes, type Device, type UserId, maxQueriedUsers, parseDeviceList } from "@sotto/schema";
import type { Api } from "../api/api.ts";
import {
  type ChainVerdict,
  type DeviceListRefusal,
  type SignedList,
  isGivenUp,
  judgeChain,
} from "../crypto/device-list.ts";
import { equalConstantTime } from "../crypto/primitives.ts";
import type { IdentityEvent } from "../events.ts";
import type { Store } from "../storage/store.ts";
import type { Turns } from "../turns.ts";
import type { Me } from "./account.ts";
import { ownKeyRecord } from "./own-key.ts";
import { type AcceptedList, type IdentityPin, Pins } from "./pins.ts";

/** What happens when a user goes on with another identity key: `tofu` takes it and warns, `strict` seals nothing until it is confirmed. */
export type IdentityChangePolicy = "tofu" | "strict";

/** Most lists that one look-up follows: the chain grows by one with each change of a device. */
const maxChainLength = 2_048;

/** What the server says of a user at one moment. */
export interface Lookup {
  currentVersion: number;
  lists: string[];
  devices: Device[];
  /** The version of the pinned list that the lists go on from; undefined: there was none. */
  pinnedVersion: number | undefined;
}

/** A look-up and what it came to. */
export interface Judged {
  /** The one that was judged: another one where that was out of date. */
  lookup: Lookup;
  trust: Trust;
  /** Its lists, if they were found right: none where they are refused. */
  accepted: readonly string[];
}

/** Every device that a chain has named up to a version under one identity key, each with the last key it had. */
interface Past {
  version: number;
  uik: Bytes;
  diks: Map<string, Bytes>;
}

/** Which devices of a user may be trusted. */
export type Trust =
  /** The user has signed no list: each device is pinned by itself. */
  | { kind: "unsigned" }
  /** The devices of the newest list that was accepted, each with its identity key. */
  | { kind: "listed"; diks: ReadonlyMap<string, Bytes>; uik: Bytes; isBlocked: boolean }
  /** There are lists, and none that can be accepted. */
  | { kind: "untrusted" };

interface Verdict {
  trust: Trust;
  /** To be pinned. */
  pin?: IdentityPin | undefined;
}

interface IdentitiesOptions {
  store: Store;
  turns: Turns;
  api: Api;
  me: Me;
  now: () => number;
  tell: (event: IdentityEvent) => void;
  policy: IdentityChangePolicy;
}

/** Everyone's chains of signed device lists: asked for, judged against what was accepted before, and pinned. */
export class Identities {
  readonly pins: Pins;
  readonly #options: IdentitiesOptions;
  readonly #told = new Set<string>();
  readonly #pasts = new Map<UserId, Past>();

  constructor(options: IdentitiesOptions) {
    this.#options = options;
    this.pins = new Pins(options.store, options.turns);
  }

  /**
   * The lists from the pinned one on, or the newest alone, with the published devices. `pin`: in the place of the one
   * that is stored; null: as if there were none.
   */
  async lookUp(
    userId: UserId,
    signal?: AbortSignal,
    pin?: Pick<IdentityPin, "version"> | null,
  ): Promise<Lookup> {
    const lists: string[] = [];
    const pinnedVersion = (pin === undefined ? await this.pins.get(userId) : pin)?.version;
    for (let since = sinceOf(pinnedVersion); ;) {
      const sinceVersion = since;
      const {
        lists: page,
        currentVersion,
        devices,
      } = await this.#options.api.call(
        (server, options) => server.deviceLists.get.query({ userId, sinceVersion }, options),
        signal,
      );
      lists.push(...page.map(({ list }) => list));
      const isWhole = isUpTo(currentVersion, page) || since === undefined;
      if (isWhole || lists.length > maxChainLength) return { currentVersion, lists, devices, pinnedVersion };
      since = page.at(-1)?.version;
    }
  }

  /**
   * The identity key of a device that the user has signed for and has taken out again: what it sent meanwhile can be
   * verified by that. Asks once for the chain up to the pinned list. Undefined: the present identity never named it.
   */
  async findFormer(
    { userId, deviceId }: { userId: UserId; deviceId: string },
    signal?: AbortSignal,
  ): Promise<{ dik: Bytes; uik: Bytes } | undefined> {
    const pin = await this.pins.get(userId);
    if (!pin) return undefined;
    const known = this.#pasts.get(userId);
    const isWhole = known?.version === pin.version && equalConstantTime(known.uik, pin.uik);
    const past = isWhole
      ? known
      : { version: pin.version, uik: pin.uik, diks: await this.listFormer(userId, pin, signal) };
    this.#pasts.set(userId, past);
    const dik = past.diks.get(deviceId);
    return dik && { dik, uik: pin.uik };
  }

  /**
   * Every device that a user's chain has named up to a list, under that list's identity key, each with the last key it
   * had. Each list names the one before it, so that the last one vouches for all; whether that one counts is for the
   * caller to know.
   */
  async listFormer(
    userId: UserId,
    through: { version: number; hash: Bytes; uik: Bytes },
    signal?: AbortSignal,
  ): Promise<Map<string, Bytes>> {
    const diks = new Map<string, Bytes>();
    const lists: string[] = [];
    for (let sinceVersion = 0; lists.length < maxChainLength;) {
      const { lists: page } = await this.#options.api.call(
        (server, options) => server.deviceLists.get.query({ userId, sinceVersion }, options),
        signal,
      );
      lists.push(...page.flatMap(({ version, list }) => (version <= through.version ? [list] : [])));
      sinceVersion = page.at(-1)?.version ?? through.version;
      if (sinceVersion >= through.version) break;
    }
    const verdict = await judgeChain(
      { currentVersion: through.version, lists },
      { userId, now: this.#options.now() },
    );
    if (!verdict.ok || !verdict.newest || !equalConstantTime(verdict.newest.hash, through.hash)) return diks;
    for (const { parts } of verdict.lists) {
      if (!equalConstantTime(parts.uik, through.uik)) continue;
      for (const { deviceId, dik } of parts.devices) diks.set(deviceId, dik);
    }
    return diks;
  }

  /** As `lookUp`, of several at once; those whose chain is too long for that are left out. */
  async lookUpMany(userIds: readonly UserId[], signal?: AbortSignal): Promise<Map<UserId, Lookup>> {
    const found = new Map<UserId, Lookup>();
    for (let from = 0; from < userIds.length; from += maxQueriedUsers) {
      const asked = await Promise.all(
        userIds
          .slice(from, from + maxQueriedUsers)
          .map(async (userId) => ({ userId, pinnedVersion: (await this.pins.get(userId))?.version })),
      );
      const pinnedVersions = new Map(asked.map(({ userId, pinnedVersion }) => [userId, pinnedVersion]));
      const query = asked.map(({ userId, pinnedVersion }) => ({
        userId,
        sinceVersion: sinceOf(pinnedVersion),
      }));
      const { users } = await this.#options.api.call(
        (server, options) => server.deviceLists.getMany.mutate({ users: query }, options),
        signal,
      );
      for (const { userId, currentVersion, lists: page, devices } of users) {
        const lists = page.map(({ list }) => list);
        const pinnedVersion = pinnedVersions.get(userId);
        if (isUpTo(currentVersion, page))
          found.set(userId, { currentVersion, lists, devices, pinnedVersion });
      }
    }
    return found;
  }

  /** Judges what the server says, pins what is new, and tells what is wrong. */
  async judge(userId: UserId, given: Lookup, signal?: AbortSignal): Promise<Judged> {
    const { me, now } = this.#options;
    for (let lookup = given; ; lookup = await this.lookUp(userId, signal)) {
      const { currentVersion, lists, pinnedVersion } = lookup;
      let verdict: Verdict | undefined;
      let accepted: readonly string[] = [];
      await this.pins.update(userId, async (pin) => {
        // A newer list was pinned while this answer was under way: it must not look rolled back.
        if (pin?.version !== pinnedVersion) return undefined;
        const chain = await judgeChain({ currentVersion, lists }, { userId, now: now(), pin });
        accepted = chain.ok ? lists : [];
        verdict =
          userId === me.userId ? await this.#judgeOwn(chain, pin) : this.#judgeOther(userId, chain, pin);
        return verdict.pin;
      });
      if (verdict) return { lookup, trust: verdict.trust, accepted };
    }
  }

  #judgeOther(userId: UserId, verdict: ChainVerdict, pin: IdentityPin | undefined): Verdict {
    if (!verdict.ok) {
      this.tellRefused(userId, verdict.reason);
      return { trust: pin ? trustIn(pin) : { kind: "untrusted" } };
    }
    // A chain that was pinned cannot be empty: that is a roll-back.
    const { newest, lists } = verdict;
    if (!newest) return { trust: { kind: "unsigned" } };
    const next = this.#accept(userId, { newest, lists }, pin);
    return { trust: trustIn(next), pin: next };
  }

  /** Trusts the list that a user's unconfirmed identity has signed, where there is one and `check` does not throw. */
  async confirm(userId: UserId, check: (pin: IdentityPin) => void): Promise<void> {
    const { now } = this.#options;
    await this.pins.update(userId, (pin) => {
      if (!pin?.unconfirmed) return undefined;
      check(pin);
      const { unconfirmed, verifiedUik: compared } = pin;
      const verifiedUik = compared && equalConstantTime(compared, unconfirmed.uik) ? compared : null;
      return { ...pin, ...unconfirmed, sinceMs: now(), verifiedUik, unconfirmed: null };
    });
  }

  /** Tells it once in this client's life. */
  tellOnce(event: IdentityEvent): void {
    if (this.#told.has(JSON.stringify(event))) return;
    this.hear(event);
    this.#options.tell(event);
  }

  /** It was told, here or by another tab. */
  hear(event: IdentityEvent): void {
    this.#told.add(JSON.stringify(event));
  }

  #accept(
    userId: UserId,
    { newest, lists }: { newest: SignedList; lists: readonly SignedList[] },
    pin: IdentityPin | undefined,
  ): IdentityPin {
    const { now, policy } = this.#options;
    const list = toAccepted(newest);
    if (!pin) return { ...list, sinceMs: now(), verifiedUik: null, unconfirmed: null };
    const { unconfirmed, version } = pin;
    if (version === list.version || (unconfirmed && equalConstantTime(unconfirmed.hash, list.hash)))
      return pin;
    const isBack = unconfirmed !== null && isRestored(pin, unconfirmed, lists);
    const isChanged = isLeft(isBack ? pin : (unconfirmed ?? pin), lists);
    // Whoever waits to be confirmed does not get around that by a list under the key of before.
    const isBlocked = policy === "strict" && (isChanged || (unconfirmed !== null && !isBack));
    if (isChanged) this.tellOnce({ type: "identity_changed", userId, isBlocked, version: list.version });
    const { verifiedUik: compared } = pin;
    // A key that was given up is to be compared anew; the accepted one may be back without that.
    const isVoid = isChanged && (!isBlocked || (compared && equalConstantTime(compared, list.uik)));
    const verifiedUik = isVoid ? null : compared;
    if (isBlocked) return { ...pin, verifiedUik, unconfirmed: list };
    return { ...list, sinceMs: isChanged ? now() : pin.sinceMs, verifiedUik, unconfirmed: null };
  }

  /** One's own key is not taken on trust: it was made here, handed over by another device, or restored. */
  async #judgeOwn(verdict: ChainVerdict, pin: IdentityPin | undefined): Promise<Verdict> {
    const { store, me, now } = this.#options;
    const { userId } = me;
    const untrusted: Verdict = { trust: { kind: "untrusted" } };
    const own = await ownKeyRecord.get(store);
    if (!own) return untrusted;
    if (!verdict.ok) {
      this.tellRefused(userId, verdict.reason);
      return pin ? { trust: trustIn(pin) } : untrusted;
    }
    const { newest } = verdict;
    if (!newest) return untrusted;
    if (isGivenUp(verdict.lists, own.uik)) {
      this.tellOnce({
        type: "identity_changed",
        userId,
        isBlocked: true,
        version: newest.parts.version,
      });
      return untrusted;
    }
    if (pin && pin.version === newest.parts.version) return { trust: trustIn(pin) };
    const next = {
      ...toAccepted(newest),
      sinceMs: pin?.sinceMs ?? now(),
      verifiedUik: null,
      unconfirmed: null,
    };
    return { trust: trustIn(next), pin: next };
  }

  /** Tells that the server gives a list that cannot be. */
  tellRefused(userId: UserId, reason: DeviceListRefusal): void {
    this.tellOnce({ type: "list_refused", userId, reason });
  }
}

/** The pinned list is asked for again: another one in its place is a fork. */
const sinceOf = (pinnedVersion: number | undefined): number | undefined => pinnedVersion && pinnedVersion - 1;

/** Nothing is missing above the page. */
function isUpTo(currentVersion: number, page: readonly { version: number }[]): boolean {
  return (page.at(-1)?.version ?? currentVersion) >= currentVersion;
}

/** The user has given a list's key up, by what follows on that list. */
function isLeft({ version, uik }: AcceptedList, lists: readonly SignedList[]): boolean {
  const since = lists.filter(({ parts }) => parts.version >= version);
  return isGivenUp(since, uik);
}

/** A backup has brought the accepted key back. A server that takes the other key's list back has not. */
function isRestored(pin: IdentityPin, unconfirmed: AcceptedList, lists: readonly SignedList[]): boolean {
  const isOther = !equalConstantTime(unconfirmed.uik, pin.uik);
  const isThere = lists.some(({ hash }) => equalConstantTime(hash, unconfirmed.hash));
  return isOther && isThere && !isLeft(pin, lists);
}

export function toAccepted({ parts, hash, text }: SignedList): AcceptedList {
  return { version: parts.version, hash, list: text, uik: parts.uik };
}

function trustIn({ list, uik, unconfirmed }: IdentityPin): Trust {
  const diks = new Map(parseDeviceList(list).devices.map(({ deviceId, dik }) => [deviceId, dik]));
  return { kind: "listed", diks, uik, isBlocked: unconfirmed !== null };
}
