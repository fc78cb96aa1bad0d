import * as sync from "../domains/sync.ts";
import { ok } from "../primitives.ts";
import type { Procedures } from "../procedure.ts";

export const syncProcedures = {
  subscribe: {
    kind: "subscription",
    access: "device",
    limit: "sync",
    summary: "Everything that this device has not acknowledged, then what happens",
    ...sync.subscribe,
    errors: [],
  },
  ack: {
    kind: "mutation",
    access: "device",
    limit: "sync",
    summary: "Move this device's positions; in a conversation that says delivered",
    ...sync.ack,
    output: ok,
    errors: ["LOG_NOT_FOUND"],
  },
  fill: {
    kind: "query",
    access: "device",
    limit: "sync",
    summary: "Entries of a log by their numbers",
    ...sync.fill,
    errors: ["LOG_NOT_FOUND"],
  },
  log: {
    kind: "query",
    access: "device",
    limit: "sync",
    summary: "How far a log reaches",
    ...sync.log,
    errors: ["LOG_NOT_FOUND"],
  },
} as const satisfies Procedures;
