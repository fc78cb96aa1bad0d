import { type Bytes, type Device, type UserId, maxQueriedUsers, parseDeviceList } from "@sotto/schema";
import type { Api } from "../api/api.ts";
import {
  type ChainVerdict,
  type DeviceListRefusal,
  type SignedList,
  judgeChain,
} from "../crypto/device-list.ts";
import { equalConstantTime } from "../crypto/primitives.ts";
import type { Emitter } from "../emitter.ts";
import type { ClientEvents } from "../events.ts";
import type { Store } from "../storage/store.ts";
import { Turns } from "../turns.ts";
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

interface IdentitiesOptions {
  store: Store;
  api: Api;
  me: Me;
  now: () => number;
  events: Emitter<ClientEvents>;
  policy: IdentityChangePolicy;
}

/** Everyone's chains of signed device lists: asked for, judged against what was accepted before, and pinned. */
export class Identities {
  readonly pins: Pins;
  readonly #options: IdentitiesOptions;
  readonly #told = new Set<string>();
  /** One answer of a user's at a time: each is judged against what the one before it has pinned. */
  readonly #judging = new Map<UserId, Turns>();
  readonly #pasts = new Map<UserId, Past>();

  constructor(options: IdentitiesOptions) {
    this.#options = options;
    this.pins = new Pins(options.store);
  }

  /** The lists from the pinned one on, or the newest alone, with the published devices. */
  async lookUp(userId: UserId, signal?: AbortSignal): Promise<Lookup> {
    const lists: string[] = [];
    const pinnedVersion = (await this.pins.get(userId))?.version;
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
  judge(userId: UserId, given: Lookup, signal?: AbortSignal): Promise<Judged> {
    const turns = this.#judging.get(userId) ?? new Turns();
    this.#judging.set(userId, turns);
    return turns.run(async () => {
      for (let lookup = given; ; lookup = await this.lookUp(userId, signal)) {
        const pin = await this.pins.get(userId);
        // A newer list was pinned while this answer was under way: it must not look rolled back.
        if (pin?.version !== lookup.pinnedVersion) continue;
        return { lookup, trust: await this.#judge(userId, lookup, pin) };
      }
    });
  }

  async #judge(
    userId: UserId,
    { currentVersion, lists }: Lookup,
    pin: IdentityPin | undefined,
  ): Promise<Trust> {
    const { me, now } = this.#options;
    const verdict = await judgeChain({ currentVersion, lists }, { userId, now: now(), pin });
    if (userId === me.userId) return this.#judgeOwn(verdict, pin);
    if (!verdict.ok) {
      this.#tellRefused(userId, verdict.reason);
      return pin ? trustIn(pin) : { kind: "untrusted" };
    }
    // A chain that was pinned cannot be empty: that is a roll-back.
    if (!verdict.newest) return { kind: "unsigned" };
    return trustIn(await this.#accept(userId, verdict.newest, pin));
  }

  /** Trusts the list that a user's unconfirmed identity has signed. Undefined: there was nothing to confirm. */
  async confirm(userId: UserId): Promise<IdentityPin | undefined> {
    const pin = await this.pins.get(userId);
    if (!pin?.unconfirmed) return undefined;
    const confirmed = { ...pin, ...pin.unconfirmed, sinceMs: this.#options.now(), unconfirmed: null };
    await this.pins.put(userId, confirmed);
    return confirmed;
  }

  /** Tells it once in this client's life. */
  tellOnce(event: ClientEvents["identity"]): void {
    const key = JSON.stringify(event);
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#options.events.emit("identity", event);
  }

  async #accept(userId: UserId, newest: SignedList, pin: IdentityPin | undefined): Promise<IdentityPin> {
    const { now, policy } = this.#options;
    const list = toAccepted(newest);
    if (pin && (pin.version === list.version || pin.unconfirmed?.version === list.version)) return pin;
    const isChanged = pin !== undefined && !equalConstantTime(pin.uik, list.uik);
    const isBlocked = isChanged && policy === "strict";
    const next: IdentityPin = isBlocked
      ? { ...pin, unconfirmed: list }
      : {
          ...list,
          sinceMs: pin && !isChanged ? pin.sinceMs : now(),
          verifiedUik: pin?.verifiedUik ?? null,
          unconfirmed: null,
        };
    await this.pins.put(userId, next);
    if (isChanged) this.tellOnce({ type: "identity_changed", userId, isBlocked, version: list.version });
    return next;
  }

  /** One's own key is not taken on trust: it was made here, handed over by another device, or restored. */
  async #judgeOwn(verdict: ChainVerdict, pin: IdentityPin | undefined): Promise<Trust> {
    const { store, me, now } = this.#options;
    const { userId } = me;
    const own = await ownKeyRecord.get(store);
    if (!own) return { kind: "untrusted" };
    if (!verdict.ok) {
      this.#tellRefused(userId, verdict.reason);
      return pin ? trustIn(pin) : { kind: "untrusted" };
    }
    const { newest } = verdict;
    if (!newest) return { kind: "untrusted" };
    if (!equalConstantTime(newest.parts.uik, own.uik)) {
      this.tellOnce({
        type: "identity_changed",
        userId,
        isBlocked: true,
        version: newest.parts.version,
      });
      return { kind: "untrusted" };
    }
    if (pin && pin.version === newest.parts.version) return trustIn(pin);
    const next = {
      ...toAccepted(newest),
      sinceMs: pin?.sinceMs ?? now(),
      verifiedUik: null,
      unconfirmed: null,
    };
    await this.pins.put(userId, next);
    return trustIn(next);
  }

  #tellRefused(userId: UserId, reason: DeviceListRefusal): void {
    this.tellOnce({ type: "list_refused", userId, reason });
  }
}

/** The pinned list is asked for again: another one in its place is a fork. */
const sinceOf = (pinnedVersion: number | undefined): number | undefined => pinnedVersion && pinnedVersion - 1;

/** Nothing is missing above the page. */
function isUpTo(currentVersion: number, page: readonly { version: number }[]): boolean {
  return (page.at(-1)?.version ?? currentVersion) >= currentVersion;
}

export function toAccepted({ parts, hash, text }: SignedList): AcceptedList {
  return { version: parts.version, hash, list: text, uik: parts.uik };
}

function trustIn({ list, uik, unconfirmed }: IdentityPin): Trust {
  const diks = new Map(parseDeviceList(list).devices.map(({ deviceId, dik }) => [deviceId, dik]));
  return { kind: "listed", diks, uik, isBlocked: unconfirmed !== null };
}
