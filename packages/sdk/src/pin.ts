import type { GetSession } from "./conversations.ts";

interface CallOptions {
  signal?: AbortSignal | undefined;
}

interface ChangeOptions extends CallOptions {
  /** The present PIN; needed where one is set. */
  currentPin?: string | undefined;
}

/**
 * The signed-in user's registration PIN, 4 to 64 characters: where one is set, `signIn` needs it on every new device.
 * A forgotten PIN lapses once the account was out of use for 30 days.
 *
 * @example
 * ```ts
 * if (!(await client.pin.isSet())) await client.pin.set("2468");
 * await client.pin.remove({ currentPin: "2468" });
 * ```
 */
export interface Pin {
  /** Whether one is set, as the server knows. Throws nothing of its own. */
  isSet(options?: CallOptions): Promise<boolean>;
  /** Sets or changes it. Throws `PIN_REQUIRED`, `PIN_INVALID`, `OTP_LOCKED` after too many wrong ones. */
  set(pin: string, options?: ChangeOptions): Promise<void>;
  /** Also where none is set. Throws `PIN_REQUIRED`, `PIN_INVALID`, `OTP_LOCKED` as `set` does. */
  remove(options?: ChangeOptions): Promise<void>;
}

export function createPin(getSession: GetSession): Pin {
  return {
    async isSet({ signal } = {}) {
      const { api } = (await getSession()).session;
      return (await api.call((server, options) => server.auth.getPin.query({}, options), signal)).isSet;
    },
    async set(pin, { signal, currentPin } = {}) {
      const { api } = (await getSession()).session;
      await api.call((server, options) => server.auth.setPin.mutate({ pin, currentPin }, options), signal);
    },
    async remove({ signal, currentPin } = {}) {
      const { api } = (await getSession()).session;
      await api.call((server, options) => server.auth.removePin.mutate({ currentPin }, options), signal);
    },
  };
}
