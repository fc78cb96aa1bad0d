import { type Device, type DeviceId, type UserId, deviceId, userId } from "@sotto/schema";
import { v7 as uuidv7 } from "uuid";
import * as z from "zod/mini";
import type { Api } from "../api/api.ts";
import {
  type DeviceKeys,
  generateDeviceKeys,
  rotateDeviceKeys,
  wipeDroppedKeys,
} from "../crypto/device-keys.ts";
import { issueTimeMs, makePublicKey } from "../crypto/key-bundle.ts";
import { SottoError, isAuthError } from "../errors.ts";
import { storeVersionWrite } from "../storage/migrate-store.ts";
import { defineRecord } from "../storage/records.ts";
import type { Store, StoreWrite } from "../storage/store.ts";
import { type Turns, turnsOf } from "../turns.ts";
import { readDeviceKeys, writeDeviceKeys } from "./device-keys-record.ts";
import { readToken } from "./token.ts";

/** Who is signed in here. */
export interface Me {
  userId: UserId;
  deviceId: DeviceId;
}

const accountRecord = defineRecord(
  "account",
  z.object({
    userId,
    deviceId,
    token: z.string(),
    deviceName: z.nullable(z.string()),
    /** The server has the present keys under the present token. */
    isPublished: z.boolean(),
    /** The `public_key` that was published last. */
    publishedKey: z._default(z.nullable(z.string()), null),
  }),
);
type AccountState = z.output<typeof accountRecord.schema>;

/** Who signs in, and by what code. */
export interface SignInInput {
  /** E.164 with a leading `+`. */
  phone: string;
  /** The code that the phone got. */
  otp: string;
  /** From `requestOtp`. */
  otpSession?: string | undefined;
  /** What the user's other devices call this one. */
  deviceName?: string | undefined;
  /** The user's display name; counts at the first sign-in of a phone number. */
  name?: string | undefined;
  /** The registration PIN, where the user has set one: without it `PIN_REQUIRED`, and the code stays good. */
  pin?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** The session and the device keys. Each is in the store before anyone relies on it. */
export class Account {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #turns: Turns;
  readonly #storeTurns: Turns;
  #signedIn: { state: AccountState; keys: DeviceKeys } | undefined;

  private constructor(store: Store, now: () => number) {
    this.#store = store;
    this.#now = now;
    this.#turns = turnsOf(store, "account");
    this.#storeTurns = turnsOf(store, "store");
  }

  static async load(store: Store, now: () => number): Promise<Account> {
    const account = new Account(store, now);
    await account.reload();
    return account;
  }

  /** Takes what is stored: another tab may have changed it. */
  reload(): Promise<void> {
    return this.#storeTurns.run(async () => {
      const [state, keys] = await Promise.all([accountRecord.get(this.#store), readDeviceKeys(this.#store)]);
      this.#signedIn = state && keys && { state, keys };
    });
  }

  /** One at a time, by what is stored. */
  #turn<T>(task: () => Promise<T>): Promise<T> {
    return this.#turns.run(async () => {
      if (this.#store.tabs) await this.reload();
      return task();
    });
  }

  get me(): Me | null {
    if (!this.#signedIn) return null;
    const { userId, deviceId } = this.#signedIn.state;
    return { userId, deviceId };
  }

  get token(): string | undefined {
    return this.#signedIn?.state.token;
  }

  /** Throws `NOT_SIGNED_IN`. */
  get keys(): DeviceKeys {
    return this.#require().keys;
  }

  /**
   * Takes up a session. Before the first network call that names the device, session and keys are stored: after a
   * crash `publish` goes on with the same device.
   */
  async signIn(api: Api, { signal, ...input }: SignInInput): Promise<void> {
    const { phone, otp, otpSession: sessionId, name, pin, deviceName } = input;
    const verified = await api.call(
      (server, options) => server.auth.verifyOtp.mutate({ phone, otp, sessionId, name, pin }, options),
      signal,
    );
    await this.#turn(() => this.#takeUp(verified.accessToken, deviceName));
    await this.publish(api, signal);
  }

  async #takeUp(token: string, deviceName: string | undefined): Promise<void> {
    const { userId: user } = readToken(token);
    const earlier = this.#signedIn;
    if (earlier && earlier.state.userId !== user) throw new SottoError("STORE_MISMATCH");
    const device = earlier?.state.deviceId ?? deviceId.parse(uuidv7());
    const extractable = this.#store.keepsCryptoKeys !== true;
    const keys =
      earlier?.keys ??
      (await generateDeviceKeys({ userId: user, deviceId: device, now: this.#now(), extractable }));
    const shownName = deviceName ?? earlier?.state.deviceName ?? null;
    await this.#commit(
      {
        userId: user,
        deviceId: device,
        token,
        deviceName: shownName,
        isPublished: false,
        publishedKey: earlier?.state.publishedKey ?? null,
      },
      keys,
    );
  }

  /** Rotates the keys when that is due, and publishes them unless the server has them. */
  publish(api: Api, signal?: AbortSignal): Promise<void> {
    return this.#turn(async () => {
      const { state, keys } = this.#require();
      const rotated = await rotateDeviceKeys(keys, this.#now());
      if (rotated !== keys) await this.#commit({ ...state, isPublished: false }, rotated);
      if (rotated === keys && state.isPublished) return;
      const publicKey = await makePublicKey(rotated, issueTimeMs(this.#now(), state.publishedKey));
      const { deviceId, deviceName } = state;
      await api.call(
        (server, options) => server.keys.publish.mutate({ deviceId, publicKey, deviceName }, options),
        signal,
      );
      await this.#commit({ ...state, isPublished: true, publishedKey: publicKey }, rotated);
    });
  }

  /** Publishes again when the server has lost this device's keys, or gives others for it; says which. */
  async healKeys(
    api: Api,
    published: readonly Device[],
    signal?: AbortSignal,
  ): Promise<"missing" | "replaced" | undefined> {
    const lost = await this.#turn(async () => {
      const { state, keys } = this.#require();
      const found = published.find(({ deviceId }) => deviceId === state.deviceId);
      if (!state.isPublished || found?.publicKey === state.publishedKey) return undefined;
      await this.#commit({ ...state, isPublished: false }, keys);
      return found ? "replaced" : "missing";
    });
    if (lost) await this.publish(api, signal);
    return lost;
  }

  /** Removes the device from the server, unless it is gone there already. */
  async removeDevice(api: Api, signal?: AbortSignal): Promise<void> {
    const { deviceId } = this.#require().state;
    try {
      await api.call((server, options) => server.keys.remove.mutate({ deviceId }, options), signal);
    } catch (error) {
      const isGone = error instanceof SottoError && error.code === "DEVICE_NOT_FOUND";
      if (!isGone && !isAuthError(error)) throw error;
    }
  }

  /** Empties the store. What other tabs have begun is not written into it any more. */
  async forget(): Promise<void> {
    await this.#storeTurns.run(async () => {
      await this.#store.tabs?.deposeOthers();
      await this.#store.commit(await this.#emptyingWrites());
    });
    if (this.#signedIn) wipeDroppedKeys(this.#signedIn.keys, undefined);
    this.#signedIn = undefined;
  }

  async #emptyingWrites(): Promise<StoreWrite[]> {
    const items = await this.#store.list("");
    return [...items.map(({ key }) => ({ key, value: undefined })), storeVersionWrite];
  }

  #require(): { state: AccountState; keys: DeviceKeys } {
    if (!this.#signedIn) throw new SottoError("NOT_SIGNED_IN");
    return this.#signedIn;
  }

  async #commit(state: AccountState, keys: DeviceKeys): Promise<void> {
    const writes: StoreWrite[] = [accountRecord.put([], state)];
    const before = this.#signedIn?.keys;
    if (keys !== before) writes.push(...(await writeDeviceKeys(keys, before)));
    await this.#storeTurns.run(async () => {
      // Nobody was signed in: what is there was left by a tab that had not learned of the sign-out yet.
      const left = before ? [] : await this.#emptyingWrites();
      await this.#store.commit([...left, ...writes]);
    });
    this.#store.tabs?.post({ type: "account" });
    this.#signedIn = { state, keys };
    if (before) wipeDroppedKeys(before, keys);
  }
}
