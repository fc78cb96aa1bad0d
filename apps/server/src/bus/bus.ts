import type { Signal, UserId } from "@sotto/schema";
import type { SessionEnd, SessionId } from "../modules/accounts/accounts.tables.ts";
import type { Audience, LogEntry } from "../modules/logs/entries.ts";

/** News of a commit, or a signal, for the sockets of every process. Any of them may be lost. */
export type Wake =
  | { kind: "entry"; entry: LogEntry; audience: Audience }
  | { kind: "signal"; signal: Signal; audience: readonly UserId[] }
  | { kind: "session_changed"; sessionId: SessionId; end: SessionEnd | null }
  | { kind: "device_connected"; userId: UserId; deviceId: string; connectionId: string };

/** Carries wakes between server processes. Losing one costs latency, not messages. */
export interface Bus extends AsyncDisposable {
  publish(wake: Wake): void;
  onWake: (listener: (wake: Wake) => void) => void;
  /** Called when wakes may have been missed: after every (re)subscription. */
  onGap(listener: () => void): void;
}
