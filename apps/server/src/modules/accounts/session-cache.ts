import type { Caller } from "../../pipeline/call.ts";
import type { SessionId } from "./accounts.tables.ts";

const maxTokens = 50_000;

/** Verified tokens, so that a call costs neither a signature check nor a query. Bounded; the oldest goes first. */
export class SessionCache {
  readonly #callers = new Map<string, Caller>();
  readonly #tokens = new Map<SessionId, string>();

  find(token: string): Caller | undefined {
    return this.#callers.get(token);
  }

  put(token: string, caller: Caller): void {
    if (this.#callers.size >= maxTokens) this.#dropOldest();
    this.#callers.set(token, caller);
    this.#tokens.set(caller.sessionId, token);
  }

  /** Makes the next call with this session's token read its row again. */
  forget(sessionId: SessionId): void {
    const token = this.#tokens.get(sessionId);
    if (token === undefined) return;
    this.#tokens.delete(sessionId);
    this.#callers.delete(token);
  }

  #dropOldest(): void {
    const oldest = this.#callers.values().next().value;
    if (oldest) this.forget(oldest.sessionId);
  }
}
