import type { AnySottoError } from "../errors.ts";
import type { ClientStatus } from "../events.ts";
import type { ConnectionState } from "./connection-machine.ts";

/** What the application is told of a connection that goes on. */
export function statusOf(state: ConnectionState, now: number): ClientStatus {
  switch (state.name) {
    case "online":
      return { state: "online", isCaughtUp: state.isCaughtUp };
    case "waiting":
      return { state: "offline", isCaughtUp: false, retryAtMs: now + state.pauseMs };
    case "ended":
      return finalStatusOf(state.error);
    default:
      return { state: "connecting", isCaughtUp: false };
  }
}

/** And of one that has ended. */
export function finalStatusOf(error: AnySottoError): ClientStatus {
  switch (error.code) {
    case "SIGNED_OUT":
      return { state: "signed_out", isCaughtUp: false, error };
    case "DEVICE_REMOVED":
      return { state: "device_removed", isCaughtUp: false, error };
    case "REPLACED":
      return { state: "replaced", isCaughtUp: false, error };
    case "CLOSED":
      return { state: "stopped", isCaughtUp: false };
    default:
      return { state: "stopped", isCaughtUp: false, error };
  }
}
