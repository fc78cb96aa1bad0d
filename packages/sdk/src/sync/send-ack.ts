import type { Api } from "../api/api.ts";
import { SottoError } from "../errors.ts";
import type { Positions } from "./sync-machine.ts";

/** Moves the device's positions on the server. A log that is not this user's any more is passed over. */
export async function sendAck(api: Api, positions: Positions, signal: AbortSignal): Promise<void> {
  const list = [...positions].map(([log, seq]) => ({ log, seq }));
  try {
    await api.call((server, options) => server.sync.ack.mutate({ positions: list }, options), signal);
  } catch (error) {
    if (!(error instanceof SottoError) || error.code !== "LOG_NOT_FOUND") throw error;
    if (list.length === 1) return;
    for (const { log, seq } of list) await sendAck(api, new Map([[log, seq]]), signal);
  }
}
