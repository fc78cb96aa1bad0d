import type { Handlers } from "../../pipeline/call.ts";
import { fillHole, getLog } from "./entries.service.ts";
import { ackPositions } from "./positions.service.ts";
import { subscribe } from "./subscribe.service.ts";

export const syncRouter: Handlers<"sync"> = {
  subscribe,
  ack: (call, { positions }) => ackPositions(call, positions),
  fill: fillHole,
  log: (call, { log }) => getLog(call, log),
};
