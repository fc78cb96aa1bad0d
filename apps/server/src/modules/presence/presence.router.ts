import type { Handlers } from "../../pipeline/call.ts";
import { getPresence, ping } from "./presence.service.ts";

export const presenceRouter: Handlers<"presence"> = {
  get: (call, { userId }) => getPresence(call, userId),
  ping: (call) => ping(call),
};
