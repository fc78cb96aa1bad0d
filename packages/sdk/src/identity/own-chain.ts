import { type DeviceId, type ListedDevice, parseDeviceList } from "@sotto/schema";
import * as z from "zod/mini";
import type { Api } from "../api/api.ts";
import { readDeviceList, signDeviceList, verifyDeviceList } from "../crypto/device-list.ts";
import { type KeyPair, sha256 } from "../crypto/primitives.ts";
import { SottoError } from "../errors.ts";
import { defineRecord } from "../storage/records.ts";
import type { Store } from "../storage/store.ts";
import type { Me } from "./account.ts";
import { type Lookup, toAccepted } from "./identities.ts";
import type { Pins } from "./pins.ts";

/** The lists of one's own chain that this device has accepted or signed, to be given again to a server that lost them. */
const ownListRecord = defineRecord("own-list", z.string());

interface OwnChainOptions {
  store: Store;
  api: Api;
  me: Me;
  pins: Pins;
  now: () => number;
}

/** What is sealed for a new device, beside the list that names it. */
export interface PublishedHandover {
  deviceId: DeviceId;
  body: string;
  wrap: string;
}

/** Signs and publishes the lists of one's own chain. */
export class OwnChain {
  readonly #options: OwnChainOptions;

  constructor(options: OwnChainOptions) {
    this.#options = options;
  }

  /**
   * Signs the list that follows `before` (null: the first one) and publishes it. Throws `DEVICE_LIST_CONFLICT` when
   * another device was faster: nothing has changed then.
   */
  async append(
    before: string | null,
    devices: readonly ListedDevice[],
    options: { uik: KeyPair; handover?: PublishedHandover | undefined; signal?: AbortSignal | undefined },
  ): Promise<void> {
    const { me, now } = this.#options;
    const last = before === null ? undefined : readDeviceList(before);
    if (before !== null && !last) throw new SottoError("BAD_ANSWER");
    const list = await signDeviceList(
      {
        userId: me.userId,
        version: (last?.version ?? 0) + 1,
        prevHash: last ? await sha256(last.bytes) : null,
        issuedSec: Math.floor(now() / 1000),
        devices,
      },
      options.uik,
    );
    await this.#publish(list, options);
    await this.accept(list);
  }

  /** Pins a list that this device signed, or has reason to trust. */
  async accept(text: string): Promise<void> {
    const { me, now, pins } = this.#options;
    const verdict = await verifyDeviceList(text, { userId: me.userId, now: now() });
    if (!verdict.ok) throw new TypeError(`an own list that is ${verdict.reason}`);
    await this.keep([text]);
    const list = toAccepted(verdict.list);
    await pins.update(me.userId, () => ({
      ...list,
      sinceMs: now(),
      verifiedUik: null,
      unconfirmed: null,
    }));
  }

  /** Keeps lists that were found right, for {@link giveBack}. */
  async keep(texts: readonly string[]): Promise<void> {
    const writes = texts.map((text) => ownListRecord.put([parseDeviceList(text).version], text));
    if (writes.length > 0) await this.#options.store.commit(writes);
  }

  /**
   * Gives the server the lists that it has lost, as after it was set back to a backup. True when there were any; a
   * server that went on without them keeps its own (`DEVICE_LIST_CONFLICT` is passed over).
   */
  async giveBack({ currentVersion }: Lookup, signal?: AbortSignal): Promise<boolean> {
    const { me, pins, store } = this.#options;
    const pin = await pins.get(me.userId);
    if (!pin || currentVersion >= pin.version) return false;
    const lost = await ownListRecord.list(store, [], { after: [currentVersion] });
    try {
      for (const { value } of lost) await this.#publish(value, { signal });
      return lost.length > 0;
    } catch (error) {
      if (error instanceof SottoError && error.code === "DEVICE_LIST_CONFLICT") return false;
      throw error;
    }
  }

  async #publish(
    list: string,
    { handover, signal }: { handover?: PublishedHandover | undefined; signal?: AbortSignal | undefined },
  ): Promise<void> {
    await this.#options.api.call(
      (server, options) => server.deviceLists.publish.mutate({ list, handover }, options),
      signal,
    );
  }
}
