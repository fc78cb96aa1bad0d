import * as z from "zod/mini";
import { deviceId, text, time, userId } from "../primitives.ts";

/** Largest `publicKey`, in characters: a `kb1.` bundle with post-quantum keys fits several times. */
export const maxPublicKeyChars = 16_384;

export const device = z.object({
  deviceId,
  publicKey: z.string(),
  deviceName: z.nullable(z.string()),
  createdAt: time,
});
export type Device = z.output<typeof device>;

const deviceName = z.nullish(text(128));
const pushToken = z.nullish(text(4096));

export const publish = {
  input: z.object({
    /** Made and returned when missing. */
    deviceId: z.nullish(deviceId),
    publicKey: text(maxPublicKeyChars).check(z.minLength(1)),
    deviceName,
    pushToken,
  }),
  output: device,
};

export const listMineAnswer = z.array(device);
export const listMine = { input: z.object({}), output: listMineAnswer };
export const listAnswer = z.array(device);
export const list = { input: z.object({ userId }), output: listAnswer };

/** Most users that one look-up names. */
export const maxQueriedUsers = 200;
export const listMany = {
  input: z.object({ userIds: z.array(userId).check(z.minLength(1), z.maxLength(maxQueriedUsers)) }),
  /** In the order in which they were named, each once; an unknown one without devices. */
  output: z.object({ users: z.array(z.object({ userId, devices: z.array(device) })) }),
};
export const update = { input: z.object({ deviceId, deviceName, pushToken }) };
export const remove = { input: z.object({ deviceId }) };
