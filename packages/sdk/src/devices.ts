import type { Device } from "@sotto/schema";
import type { GetSession } from "./conversations.ts";

interface CallOptions {
  signal?: AbortSignal | undefined;
}

export interface OwnDevice extends Omit<Device, "publicKey"> {
  isThisDevice: boolean;
}

/** The signed-in user's devices. */
export interface Devices {
  /** Oldest first. */
  list(options?: CallOptions): Promise<OwnDevice[]>;
  /** Ends another device's session: it gets nothing that is sent from now on. For this device, see `signOut`. */
  remove(deviceId: string, options?: CallOptions): Promise<void>;
}

export function createDevices(getSession: GetSession): Devices {
  return {
    async list({ signal } = {}) {
      const { api, me } = (await getSession()).session;
      const devices = await api.call((server, options) => server.keys.listMine.query({}, options), signal);
      return devices.map(({ deviceId, deviceName, createdAt }) => ({
        deviceId,
        deviceName,
        createdAt,
        isThisDevice: deviceId === me.deviceId,
      }));
    },
    async remove(deviceId, { signal } = {}) {
      const { api, directory, me } = (await getSession()).session;
      await api.call((server, options) => server.keys.remove.mutate({ deviceId }, options), signal);
      directory.forget(me.userId);
    },
  };
}
