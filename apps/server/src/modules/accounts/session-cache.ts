import type { Caller } from "../../pipeline/call.ts";
import type { SessionId } from "./accounts.tables.ts";

const maxTokens = 50_000;
/** After this the session's row is read again, which also says that the account is in use. */
const maxAgeMs = 3_600_000;

/** Verified tokens, so that a call costs neither a signature check nor a query. Bounded; the oldest goes first. */
export class SessionCache {
  readonly #entries = new Map<string, { caller: Caller; readAt: number }>();
  readonly #tokens = new Map<SessionId, string>();

  find(token: string, now: Date): Caller | undefined {
    const entry = this.#entries.get(token);
    return entry && now.getTime() - entry.readAt < maxAgeMs ? entry.caller : undefined;
  }

  put(token: string, caller: Caller, now: Date): void {
    if (this.#entries.size >= maxTokens) this.#dropOldest();
    this.#entries.set(token, { caller, readAt: now.getTime() });
    this.#tokens.set(caller.sessionId, token);
  }

  /** Makes the next call with this session's token read its row again. */
  forget(sessionId: SessionId): void {
    const token = this.#tokens.get(sessionId);
    if (token === undefined) return;
    this.#tokens.delete(sessionId);
    this.#entries.delete(token);
  }

  #dropOldest(): void {
    const oldest = this.#entries.values().next().value;
    if (oldest) this.forget(oldest.caller.sessionId);
  }
}
