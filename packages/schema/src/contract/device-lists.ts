import * as deviceLists from "../domains/device-lists.ts";
import type { Procedures } from "../procedure.ts";

export const deviceListsProcedures = {
  publish: {
    kind: "mutation",
    access: "device",
    limit: "general",
    summary: "Append the next signed device list to one's own chain; the same bytes again change nothing",
    ...deviceLists.publish,
    rest: { method: "POST", path: "/device_lists" },
    errors: ["DEVICE_LIST_CONFLICT", "DEVICE_LIST_REFUSED", "DEVICE_INVALID"],
  },
  get: {
    kind: "query",
    access: "user",
    limit: "keys",
    summary: "A user's signed device lists and published devices; empty for an unknown user",
    ...deviceLists.get,
    rest: { method: "GET", path: "/device_lists/{user_id}" },
    errors: [],
  },
  getMany: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary:
      "The same of up to 200 users; whoever shares no conversation with me counts as a key look-up of its own",
    ...deviceLists.getMany,
    rest: { method: "POST", path: "/device_lists/query" },
    errors: [],
  },
  getHandover: {
    kind: "query",
    access: "device",
    limit: "general",
    summary: "What one's own approving device handed to this one",
    ...deviceLists.getHandover,
    rest: { method: "GET", path: "/device_lists/me/handover" },
    errors: [],
  },
} as const satisfies Procedures;
