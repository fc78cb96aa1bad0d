import { type Device, type UserId, maxQueriedUsers } from "@sotto/schema";
import * as z from "zod";
import type { Api } from "../api/api.ts";
import { type VerifiedDevice, verifyDevicePublicKey } from "../crypto/key-bundle.ts";
import type { RecipientDevice } from "../crypto/wrap-for-devices.ts";
import { bytes } from "../storage/bytes.ts";
import { defineRecord } from "../storage/records.ts";
import type { Store } from "../storage/store.ts";
import type { Me } from "./account.ts";

/** A list that sends are sealed for may be this old: the server refuses one that has changed since. */
const freshForMs = 60_000;
/** A sender that a list of this age does not name is unknown. */
const senderFreshForMs = 2_000;

/** The last key that was accepted from a device, and its identity key as first seen: the pin, never replaced. */
const deviceRecord = defineRecord("device", z.object({ publicKey: z.string(), dik: bytes.nullable() }));

interface DirectoryOptions {
  store: Store;
  api: Api;
  me: Me;
  now: () => number;
}

/** Everyone's devices, with each one's identity key pinned at first sight. */
export class Directory {
  readonly #options: DirectoryOptions;
  readonly #lists = new Map<string, { at: number; devices: RecipientDevice[] }>();

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  /** A user's devices as published; one whose key breaks its pin is refused when it is sealed to. */
  async list(
    userId: string,
    options: { signal?: AbortSignal | undefined; maxAgeMs?: number } = {},
  ): Promise<RecipientDevice[]> {
    const { signal, maxAgeMs = freshForMs } = options;
    const at = this.#options.now();
    const known = this.#findFresh(userId, at, maxAgeMs);
    if (known) return known;
    const { api, me } = this.#options;
    const published = await api.call(
      (server, call) =>
        userId === me.userId
          ? server.keys.listMine.query({}, call)
          : server.keys.list.query({ userId }, call),
      signal,
    );
    return this.#keep(userId, published, at);
  }

  /** The devices of several users, those of this one too: one call for all whose list is not at hand. */
  async listMany(
    userIds: readonly UserId[],
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<RecipientDevice[]> {
    const { api, me, now } = this.#options;
    const at = now();
    const unknown = userIds.filter((id) => id !== me.userId && !this.#findFresh(id, at, freshForMs));
    for (let from = 0; from < unknown.length && unknown.length > 1; from += maxQueriedUsers) {
      const asked = unknown.slice(from, from + maxQueriedUsers);
      const { users } = await api.call(
        (server, call) => server.keys.listMany.mutate({ userIds: asked }, call),
        options.signal,
      );
      for (const { userId, devices } of users) await this.#keep(userId, devices, at);
    }
    return (await Promise.all(userIds.map((id) => this.list(id, options)))).flat();
  }

  #findFresh(userId: string, at: number, maxAgeMs: number): RecipientDevice[] | undefined {
    const cached = this.#lists.get(userId);
    return cached && at - cached.at < maxAgeMs && at >= cached.at ? cached.devices : undefined;
  }

  async #keep(userId: string, published: readonly Device[], at: number): Promise<RecipientDevice[]> {
    const devices = await Promise.all(published.map((device) => this.#judge({ userId, ...device })));
    this.#lists.set(userId, { at, devices });
    return devices;
  }

  /** The next `list` asks the server. */
  forget(userId: string): void {
    this.#lists.delete(userId);
  }

  /** The device that claims to have sent something; undefined when its key cannot be verified. */
  async findSender(
    sender: { userId: UserId; deviceId: string },
    options: { signal: AbortSignal; isFresh?: boolean },
  ): Promise<VerifiedDevice | undefined> {
    const known = options.isFresh ? undefined : await this.#verifyKnown(sender);
    if (known) return known;
    await this.list(sender.userId, { signal: options.signal, maxAgeMs: senderFreshForMs });
    return this.#verifyKnown(sender);
  }

  /** By what was accepted before: a removed device's last messages stay readable. */
  async #verifyKnown(sender: { userId: string; deviceId: string }): Promise<VerifiedDevice | undefined> {
    const { userId, deviceId } = sender;
    const known = await deviceRecord.get(this.#options.store, userId, deviceId);
    if (!known) return undefined;
    const verdict = await verifyDevicePublicKey(known.publicKey, {
      userId,
      deviceId,
      now: this.#options.now(),
      pinnedDik: known.dik ?? undefined,
    });
    return verdict.ok ? verdict.device : undefined;
  }

  async #judge(device: RecipientDevice): Promise<RecipientDevice> {
    const { userId, deviceId, publicKey } = device;
    const { store, now } = this.#options;
    const known = await deviceRecord.get(store, userId, deviceId);
    const pinnedDik = known?.dik ?? undefined;
    const verdict = await verifyDevicePublicKey(publicKey, { userId, deviceId, now: now(), pinnedDik });
    if (!verdict.ok) return { userId, deviceId, publicKey, pinnedDik };
    const dik = verdict.device.kind === "bundle" ? verdict.device.dik : null;
    if (known?.publicKey !== publicKey) {
      await store.commit([deviceRecord.put([userId, deviceId], { publicKey, dik })]);
    }
    return { userId, deviceId, publicKey, pinnedDik: dik ?? undefined };
  }
}
