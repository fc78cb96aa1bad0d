import * as keys from "../domains/keys.ts";
import { ok } from "../primitives.ts";
import type { Procedures } from "../procedure.ts";

export const keysProcedures = {
  publish: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary: "Register or update a device with its public key",
    ...keys.publish,
    creates: true,
    rest: { method: "POST", path: "/keys/publish" },
    errors: ["DEVICE_LIMIT_REACHED"],
  },
  listMine: {
    kind: "query",
    access: "user",
    limit: "general",
    summary: "List my devices, oldest first",
    ...keys.listMine,
    rest: { method: "GET", path: "/keys/me" },
    errors: [],
  },
  list: {
    kind: "query",
    access: "user",
    limit: "keys",
    summary: "List a user's devices, oldest first; empty for an unknown user",
    ...keys.list,
    rest: { method: "GET", path: "/keys/{user_id}" },
    errors: [],
  },
  listMany: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary:
      "List the devices of up to 200 users; whoever shares no conversation with me counts as a key look-up",
    ...keys.listMany,
    rest: { method: "POST", path: "/keys/query" },
    errors: [],
  },
  update: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary: "Change a device's name or push token",
    ...keys.update,
    output: ok,
    rest: { method: "PUT", path: "/keys/devices/{device_id}" },
    errors: ["DEVICE_NOT_FOUND"],
  },
  remove: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary: "Remove a device; its tokens and sockets end",
    ...keys.remove,
    output: ok,
    rest: { method: "DELETE", path: "/keys/devices/{device_id}" },
    errors: ["DEVICE_NOT_FOUND"],
  },
} as const satisfies Procedures;
