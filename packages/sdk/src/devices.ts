import { type Device, type DeviceId, deviceId as deviceIdSchema } from "@sotto/schema";
import type { CallOptions } from "./conversation.ts";
import type { GetSession } from "./conversations.ts";
import { invalidInput } from "./errors.ts";
import { approveDevice, makeLinkCode, signOff } from "./identity/linking.ts";

interface ApproveOptions extends CallOptions {
  /** False: the new device may read and write, but not approve or remove devices. True by default. */
  maySign?: boolean | undefined;
}

/** One of the signed-in user's devices. */
export interface OwnDevice extends Omit<Device, "publicKey"> {
  isThisDevice: boolean;
  /** The user's signed list names it. Others wait for approval, or are nobody's: nothing is sealed to them. */
  isListed: boolean;
}

/**
 * The signed-in user's devices. Whoever can receive the user's codes can add one, so a new device counts only once
 * another one has approved it: the new one shows {@link Devices.link}'s code, the other reads it.
 *
 * @example
 * ```ts
 * for (const { deviceId, deviceName, isListed } of await client.devices.list()) {
 *   if (!isListed) await client.devices.approve(await askUser());
 *   else if (deviceName === "lost") await client.devices.remove(deviceId);
 * }
 * ```
 */
export interface Devices {
  /** Oldest first. Throws nothing of its own. */
  list(options?: CallOptions): Promise<OwnDevice[]>;
  /**
   * The code by which another device lets this one in, to be shown as QR or text. Whoever reads it can let the device
   * in, but not read messages. An `identity` event `linked` tells when that is done. Throws `ALREADY_LINKED`.
   *
   * @example
   * ```ts
   * const code = await newClient.devices.link();
   * await oldClient.devices.approve(code);
   * ```
   */
  link(options?: CallOptions): Promise<string>;
  /**
   * Lets in the device whose code was read. Throws `LINK_REFUSED` with a reason, `CANNOT_SIGN` where this device may
   * not approve, `DEVICE_NOT_LINKED` where it waits itself. Gives the device's id, also
   * where the same code has been read before: it lets in once.
   */
  approve(code: string, options?: ApproveOptions): Promise<DeviceId>;
  /**
   * Takes another device out of the signed list, and ends its session: it gets nothing that is sent from now on. A
   * stolen device that could sign knows the identity key: then also `client.identity.reset`. For this device, see `signOut`.
   * Throws `CANNOT_SIGN` where this device may not change the list, `DEVICE_NOT_LINKED` where it waits itself: nothing is
   * done then.
   */
  remove(deviceId: string, options?: CallOptions): Promise<void>;
}

export function createDevices(getSession: GetSession): Devices {
  return {
    async list({ signal } = {}) {
      const { identities, me } = (await getSession()).session;
      const given = await identities.lookUp(me.userId, signal);
      const { lookup, trust } = await identities.judge(me.userId, given, signal);
      return lookup.devices.map(({ deviceId, deviceName, createdAt }) => ({
        deviceId,
        deviceName,
        createdAt,
        isThisDevice: deviceId === me.deviceId,
        isListed: trust.kind === "listed" && trust.diks.has(deviceId),
      }));
    },
    async link({ signal } = {}) {
      return makeLinkCode((await getSession()).session, signal);
    },
    async approve(code, { signal, maySign = true } = {}) {
      return approveDevice((await getSession()).session, code, { maySign, signal });
    },
    async remove(id, { signal } = {}) {
      const deviceId = deviceIdSchema.safeParse(id);
      if (!deviceId.success) throw invalidInput("deviceId", deviceId.error);
      const { session } = await getSession();
      await signOff(session, deviceId.data, signal);
      await session.api.call(
        (server, options) => server.keys.remove.mutate({ deviceId: deviceId.data }, options),
        signal,
      );
      await session.tell({ type: "devices", userId: session.me.userId });
    },
  };
}
