import * as z from "zod";
import { deviceId, text, time, userId } from "../primitives.ts";

/** Largest `publicKey`, in characters: a `kb1.` bundle with post-quantum keys fits several times. */
export const maxPublicKeyChars = 16_384;

export const device = z.object({
  deviceId,
  publicKey: z.string(),
  deviceName: z.string().nullable(),
  createdAt: time,
});
export type Device = z.output<typeof device>;

const deviceName = text(128).nullish();
const pushToken = text(4096).nullish();

export const publish = {
  input: z.object({
    /** Made and returned when missing. */
    deviceId: deviceId.nullish(),
    publicKey: text(maxPublicKeyChars).min(1),
    deviceName,
    pushToken,
  }),
  output: device,
};

export const listMine = { input: z.object({}), output: z.array(device) };
export const list = { input: z.object({ userId }), output: z.array(device) };

/** Most users that one look-up names. */
export const maxQueriedUsers = 200;
export const listMany = {
  input: z.object({ userIds: z.array(userId).min(1).max(maxQueriedUsers) }),
  /** In the order in which they were named, each once; an unknown one without devices. */
  output: z.object({ users: z.array(z.object({ userId, devices: z.array(device) })) }),
};
export const update = { input: z.object({ deviceId, deviceName, pushToken }) };
export const remove = { input: z.object({ deviceId }) };
