import * as z from "zod/mini";
import { deviceListLimits } from "../device-list.ts";
import { deviceId, text, userId } from "../primitives.ts";
import { device, maxQueriedUsers } from "./keys.ts";

/** Most lists in one answer; `currentVersion` tells whether there are more. */
export const maxListsPerPage = 32;

const version = z.int().check(z.minimum(0));

/** What an approving device hands to the one that it lets in: a sealed body and the wrap for that device. */
const sealedHandover = { body: text(16_384).check(z.minLength(1)), wrap: text(4_096).check(z.minLength(1)) };

export const publishAnswer = z.object({ version });
export const publish = {
  input: z.object({
    /** base64url of the signed list. */
    list: text(deviceListLimits.maxChars).check(z.minLength(1)),
    /** Kept for the device until it is removed or another one replaces it. */
    handover: z.nullish(z.object({ deviceId, ...sealedHandover })),
  }),
  output: publishAnswer,
};

const asked = z.object({
  userId,
  /** Lists above this version, oldest first; without it the newest one alone. */
  sinceVersion: z.optional(version.check(z.maximum(2 ** 31 - 1))),
});
export const known = z.object({
  /** 0: the user has signed none. */
  currentVersion: version,
  lists: z.array(z.object({ version, list: z.string() })),
  /** The published devices at the same moment, oldest first. */
  devices: z.array(device),
});
export type KnownDevices = z.output<typeof known>;

export const get = { input: asked, output: known };

/** Most lists of one user where several are asked for: what is missing `get` gives. */
export const maxListsOfEach = 4;

export const getManyAnswer = z.object({ users: z.array(z.extend(known, { userId })) });
export const getMany = {
  input: z.object({ users: z.array(asked).check(z.minLength(1), z.maxLength(maxQueriedUsers)) }),
  /** In the order in which they were named, each once. */
  output: getManyAnswer,
};

export const getHandoverAnswer = z.object({
  handover: z.nullable(z.object({ fromDeviceId: deviceId, ...sealedHandover })),
});
export const getHandover = {
  input: z.object({}),
  output: getHandoverAnswer,
};
