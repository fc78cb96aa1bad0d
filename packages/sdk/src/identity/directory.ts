import type { Bytes, DeviceId, UserId } from "@sotto/schema";
import * as z from "zod/mini";
import { type VerifiedSender, isOlderKey, verifyDevicePublicKey } from "../crypto/key-bundle.ts";
import type { RecipientDevice } from "../crypto/wrap-for-devices.ts";
import { equalConstantTime } from "../crypto/primitives.ts";
import { SottoError } from "../errors.ts";
import { bytes } from "../storage/bytes.ts";
import { defineRecord } from "../storage/records.ts";
import type { Store } from "../storage/store.ts";
import type { Turns } from "../turns.ts";
import type { Me } from "./account.ts";
import type { Identities, Lookup, Trust } from "./identities.ts";

/** A list that sends are sealed for may be this old: the server refuses one that has changed since. */
const freshForMs = 60_000;
/** So often a list that is younger is asked for anew, because of a sender that it does not name. */
const maxHurries = 20;
/** A sender that a list of this age does not name is unknown. */
const senderFreshForMs = 2_000;

/**
 * The last key that was accepted from a device, and its identity key as first seen: the pin, never replaced. `uik`: the
 * identity key of its user under which it was listed; null for a user without lists. `publicKey` is null of a device that
 * was removed before this one saw more of it than the lists that name it.
 */
const deviceRecord = defineRecord(
  "device",
  z.object({
    publicKey: z.nullable(z.string()),
    dik: z.nullable(bytes),
    uik: z._default(z.nullable(bytes), null),
  }),
);

interface Known {
  at: number;
  devices: RecipientDevice[];
  trust: Trust;
}

interface DirectoryOptions {
  store: Store;
  turns: Turns;
  identities: Identities;
  me: Me;
  now: () => number;
  /** Looks whether this device is linked by now. */
  checkOwn: (signal?: AbortSignal) => Promise<void>;
}

/** Everyone's devices: those that their users have signed for, or, of users without lists, as pinned at first sight. */
export class Directory {
  readonly #options: DirectoryOptions;
  readonly #lists = new Map<string, Known>();
  /** Raised by `forget`: an answer that was under way then is not kept. */
  #generation = 0;
  /** How often a user was looked up in haste without finding the sender. */
  readonly #hurries = new Map<string, number>();

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  /**
   * A user's devices as published, to seal to; one that must not be sealed to says why. Throws `IDENTITY_CHANGED`, and
   * for one's own `DEVICE_NOT_LINKED`.
   */
  async list(userId: UserId, options: { signal?: AbortSignal | undefined } = {}): Promise<RecipientDevice[]> {
    if (userId === this.#options.me.userId) return this.#listOwn(options.signal);
    const { devices, trust } = await this.#find(userId, { ...options, maxAgeMs: freshForMs });
    if (isBlocked(trust)) throw new SottoError("IDENTITY_CHANGED", { details: { userId } });
    return devices;
  }

  async #listOwn(signal?: AbortSignal): Promise<RecipientDevice[]> {
    const { me, checkOwn } = this.#options;
    const find = () => this.#find(me.userId, { signal, maxAgeMs: freshForMs });
    const { devices, trust } = await find();
    if (isListed(trust, me.deviceId)) return devices;
    // The news of an approval may still be on its way.
    await checkOwn(signal);
    const again = await find();
    if (!isListed(again.trust, me.deviceId)) throw new SottoError("DEVICE_NOT_LINKED");
    return again.devices;
  }

  /**
   * The devices of several users, to seal to: one call for all that are not at hand. Where the identity of one of several
   * others is not confirmed, that one's devices are refused and the rest is not held up.
   */
  async listMany(
    userIds: readonly UserId[],
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<RecipientDevice[]> {
    const { identities, me, now } = this.#options;
    const at = now();
    const others = userIds.filter((id) => id !== me.userId);
    const unknown = others.filter((id) => !this.#findFresh(id, at, freshForMs));
    if (unknown.length > 1) {
      const generation = this.#generation;
      const found = await identities.lookUpMany(unknown, options.signal);
      for (const [userId, lookup] of found) await this.#keep(userId, lookup, { at, generation, ...options });
    }
    const isGroup = others.length > 1;
    const lists = await Promise.all(
      userIds.map(async (id) => {
        const { devices, trust } = await this.#find(id, { ...options, maxAgeMs: freshForMs });
        if (!isGroup || !isBlocked(trust)) return this.list(id, options);
        return devices.map((device) => Object.assign({}, device, { refusal: "identity_changed" as const }));
      }),
    );
    return lists.flat();
  }

  #findFresh(userId: string, at: number, maxAgeMs: number): Known | undefined {
    const cached = this.#lists.get(userId);
    const ageMs = cached ? at - cached.at : -1;
    return ageMs >= 0 && ageMs < maxAgeMs ? cached : undefined;
  }

  /** The next `list` asks the server; without a user, of everyone. */
  forget(userId?: string): void {
    this.#generation++;
    if (userId === undefined) this.#lists.clear();
    else this.#lists.delete(userId);
  }

  /** The device that claims to have sent something; undefined when its key cannot be verified. */
  async findSender(
    sender: { userId: UserId; deviceId: string },
    options: { signal: AbortSignal; isFresh?: boolean },
  ): Promise<VerifiedSender | undefined> {
    const { signal } = options;
    const known = options.isFresh ? undefined : await this.#verifyKnown(sender);
    if (known) return known;
    const { me, checkOwn } = this.#options;
    const { at, trust } = await this.#find(sender.userId, { signal, maxAgeMs: senderFreshForMs });
    if (sender.userId === me.userId && trust.kind === "untrusted") {
      await checkOwn(signal);
      await this.#find(sender.userId, { signal, maxAgeMs: senderFreshForMs });
    }
    const found = (await this.#verifyKnown(sender)) ?? (await this.#recall(sender, signal));
    // Its user may have signed for it in the meantime: what is refused now stays refused.
    if (found || at === this.#options.now() || !this.#mayHurry(sender.userId)) return found;
    await this.#find(sender.userId, { signal, maxAgeMs: 0 });
    const late = (await this.#verifyKnown(sender)) ?? (await this.#recall(sender, signal));
    if (late) this.#hurries.delete(sender.userId);
    return late;
  }

  /** Whoever writes from devices that nobody signs for must not use up the look-ups. */
  #mayHurry(userId: string): boolean {
    const times = (this.#hurries.get(userId) ?? 0) + 1;
    this.#hurries.set(userId, times);
    return times <= maxHurries;
  }

  async #find(
    userId: UserId,
    { signal, maxAgeMs }: { signal?: AbortSignal | undefined; maxAgeMs: number },
  ): Promise<Known> {
    const { identities, now } = this.#options;
    const at = now();
    const fresh = this.#findFresh(userId, at, maxAgeMs);
    if (fresh) return fresh;
    const generation = this.#generation;
    return this.#keep(userId, await identities.lookUp(userId, signal), { at, generation, signal });
  }

  async #keep(
    userId: UserId,
    given: Lookup,
    asked: { at: number; generation: number; signal?: AbortSignal | undefined; isSecondLook?: boolean },
  ): Promise<Known> {
    const { identities, now } = this.#options;
    const { lookup, trust } = await identities.judge(userId, given, asked.signal);
    const devices = await Promise.all(
      lookup.devices.map((device) => this.#judge({ userId, ...device }, trust, lookup.currentVersion)),
    );
    const rolledBack = devices.filter(({ refusal }) => refusal === "rolled_back");
    if (rolledBack.length > 0 && !asked.isSecondLook) {
      // An answer that another one has overtaken is no attack: one that was asked for now cannot be older.
      const again = { ...asked, at: now(), generation: this.#generation, isSecondLook: true };
      return this.#keep(userId, await identities.lookUp(userId, asked.signal), again);
    }
    for (const { deviceId } of rolledBack) {
      identities.tellOnce({ type: "key_rolled_back", userId, deviceId });
    }
    const unlisted = devices.filter(({ refusal }) => refusal === "not_listed");
    for (const { deviceId } of unlisted) {
      identities.tellOnce({ type: "device_not_listed", userId, deviceId });
    }
    const known = { at: asked.at, devices, trust };
    if (asked.generation === this.#generation) this.#lists.set(userId, known);
    return known;
  }

  /** By what was accepted before: a removed device's last messages stay readable. */
  async #verifyKnown(sender: { userId: UserId; deviceId: string }): Promise<VerifiedSender | undefined> {
    const { userId, deviceId } = sender;
    const { store, identities, now } = this.#options;
    const known = await deviceRecord.get(store, userId, deviceId);
    if (!known) return undefined;
    const pin = await identities.pins.get(userId);
    // Seen before its user signed lists, or under an identity that the user has given up.
    if (pin && !(known.uik && equalConstantTime(known.uik, pin.uik))) return undefined;
    const pinnedDik = known.dik ?? undefined;
    if (known.publicKey === null) return pinnedDik && { kind: "listed", userId, deviceId, dik: pinnedDik };
    const verdict = await verifyDevicePublicKey(known.publicKey, { userId, deviceId, now: now(), pinnedDik });
    return verdict.ok ? verdict.device : undefined;
  }

  /** A device that was removed before this one ever saw its keys: its user's earlier lists name it. */
  async #recall(
    sender: { userId: UserId; deviceId: string },
    signal: AbortSignal,
  ): Promise<VerifiedSender | undefined> {
    const { userId, deviceId } = sender;
    const { store, turns, identities } = this.#options;
    const former = await identities.findFormer(sender, signal);
    if (!former) return undefined;
    await turns.run(async () => {
      const known = await deviceRecord.get(store, userId, deviceId);
      // A pin is never replaced.
      if (known?.dik && !equalConstantTime(known.dik, former.dik)) return;
      const publicKey = known?.dik ? known.publicKey : null;
      await store.commit([deviceRecord.put([userId, deviceId], { publicKey, ...former })]);
    });
    return this.#verifyKnown(sender);
  }

  async #judge(
    device: { userId: UserId; deviceId: DeviceId; publicKey: string },
    trust: Trust,
    listVersion: number,
  ): Promise<ListedRecipient> {
    const { userId, deviceId, publicKey } = device;
    const { store, turns, now } = this.#options;
    const recipient = { userId, deviceId, publicKey };
    if (!isListed(trust, deviceId)) return { ...recipient, refusal: "not_listed", listVersion };
    const known = await deviceRecord.get(store, userId, deviceId);
    const listedDik = trust.kind === "listed" ? trust.diks.get(deviceId) : undefined;
    const seenDik = known?.dik ?? undefined;
    if (listedDik && seenDik && !equalConstantTime(listedDik, seenDik)) {
      return { ...recipient, refusal: "identity_changed" };
    }
    const pinnedDik = listedDik ?? seenDik;
    const verdict = await verifyDevicePublicKey(publicKey, { userId, deviceId, now: now(), pinnedDik });
    if (!verdict.ok) return { ...recipient, pinnedDik };
    if (known?.publicKey && isOlderKey(publicKey, known.publicKey)) {
      return { ...recipient, pinnedDik, refusal: "rolled_back" };
    }
    const dik = verdict.device.kind === "bundle" ? verdict.device.dik : null;
    const uik = trust.kind === "listed" ? trust.uik : null;
    const isKnown = known?.publicKey === publicKey && isSame(known.uik, uik);
    if (isKnown) return { ...recipient, pinnedDik: dik ?? undefined };
    const isKept = await turns.run(async () => {
      // Whoever was first has pinned it.
      const present = await deviceRecord.get(store, userId, deviceId);
      if (!isSame(present?.dik ?? null, known?.dik ?? null) || present?.publicKey !== known?.publicKey)
        return false;
      await store.commit([deviceRecord.put([userId, deviceId], { publicKey, dik, uik })]);
      return true;
    });
    return isKept ? { ...recipient, pinnedDik: dik ?? undefined } : this.#judge(device, trust, listVersion);
  }
}

type ListedRecipient = RecipientDevice & { deviceId: DeviceId };

function isBlocked(trust: Trust): boolean {
  return trust.kind === "listed" && trust.isBlocked;
}

function isListed(trust: Trust, deviceId: string): boolean {
  return trust.kind === "unsigned" || (trust.kind === "listed" && trust.diks.has(deviceId));
}

function isSame(a: Bytes | null, b: Bytes | null): boolean {
  return a === null || b === null ? a === b : equalConstantTime(a, b);
}
