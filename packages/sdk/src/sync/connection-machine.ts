import { backoffMs } from "../api/retry.ts";
import type { StreamEnd } from "../api/stream.ts";
import type { AnySottoError } from "../errors.ts";
import { finalErrorOf } from "./stream-end.ts";

/** Cut by the server in an orderly way: it is back soon, and everyone comes at once. */
const restartPauseMs = 1_000;
/** The user has too many connections: some must end first. */
const crowdedPauseMs = 30_000;

type State =
  | { name: "idle" }
  /** Publishes what is to be published, opens the socket, waits for the server's word. */
  | { name: "connecting" }
  | { name: "online"; isCaughtUp: boolean }
  /** A timer runs. */
  | { name: "waiting"; pauseMs: number }
  /** The server refused the token on the socket: it is asked over HTTP whether that is so. */
  | { name: "checking" }
  | { name: "ended"; error: AnySottoError };

export type ConnectionState = Readonly<State>;

export type ConnectionInput =
  | { type: "started" }
  /** The server has begun to send. */
  | { type: "opened" }
  /** Everything that the server had at the time of connecting is committed. */
  | { type: "caught_up" }
  /** Something that came is committed. */
  | { type: "progressed" }
  /** The connection, or the try at one, is over. */
  | { type: "lost"; end: StreamEnd }
  | { type: "retry_due" }
  /** A call was told that the token is not good. */
  | { type: "token_refused" }
  /** Undefined: the token is good, or nobody could be asked. */
  | { type: "token_checked"; error: AnySottoError | undefined }
  /** The platform says that the network is back. */
  | { type: "network_up" }
  /** The platform says that the network is gone, or somebody looks again: the connection may be dead. */
  | { type: "doubted" }
  /** By the application, or because something broke for good. */
  | { type: "ended"; error: AnySottoError };

export type ConnectionEffect =
  /** Then say `opened` and `lost`. There is one connection at a time. */
  | { type: "connect" }
  /** Give the connection up without saying `lost`. */
  | { type: "disconnect" }
  /** Say `retry_due` after this; the timer before counts no more. */
  | { type: "wait"; pauseMs: number }
  | { type: "stop_waiting" }
  /** Say `token_checked`. */
  | { type: "check_token" }
  /** Say `lost` unless the server answers soon. */
  | { type: "probe" }
  /** Nothing follows. */
  | { type: "end"; error: AnySottoError };

/**
 * Decides when to connect, when to wait and when to give up. No I/O and no clock: inputs in, effects out. `SPEC.md` has
 * its table and its invariants.
 */
export class ConnectionMachine {
  readonly #random: () => number;
  #state: State = { name: "idle" };
  /** Tries that led to nothing. */
  #attempt = 0;

  /** `random`: from 0 up to, not including, 1. */
  constructor(random: () => number) {
    this.#random = random;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  handle(input: ConnectionInput): ConnectionEffect[] {
    if (this.#state.name === "ended") return [];
    switch (input.type) {
      case "started":
        return this.#state.name === "idle" ? this.#connect() : [];
      case "opened":
        if (this.#state.name === "connecting") this.#state = { name: "online", isCaughtUp: false };
        return [];
      case "caught_up":
        if (this.#state.name === "online") this.#state.isCaughtUp = true;
        this.#attempt = 0;
        return [];
      case "progressed":
        this.#attempt = 0;
        return [];
      case "lost":
        return this.#isConnected() ? this.#lose(input.end) : [];
      case "retry_due":
        return this.#state.name === "waiting" ? this.#connect() : [];
      case "token_refused":
        return this.#doubtToken();
      case "token_checked":
        return this.#state.name === "checking" ? this.#judgeToken(input.error) : [];
      case "network_up":
        return this.#hurry();
      case "doubted":
        return this.#lookAgain();
      case "ended":
        return this.#end(input.error);
    }
  }

  #isConnected(): boolean {
    return this.#state.name === "connecting" || this.#state.name === "online";
  }

  #connect(): ConnectionEffect[] {
    this.#state = { name: "connecting" };
    return [{ type: "connect" }];
  }

  #wait(pauseMs: number): ConnectionEffect[] {
    this.#attempt++;
    this.#state = { name: "waiting", pauseMs };
    return [{ type: "wait", pauseMs }];
  }

  #lose(end: StreamEnd): ConnectionEffect[] {
    const final = finalErrorOf(end);
    if (final) return this.#end(final);
    switch (end.closeCode) {
      case 4401:
        this.#state = { name: "checking" };
        return [{ type: "check_token" }];
      case 1001:
        return this.#wait(
          this.#attempt === 0 ? this.#random() * restartPauseMs : backoffMs(this.#attempt, this.#random),
        );
      case 1013:
        return this.#wait(crowdedPauseMs * (0.5 + this.#random() / 2));
      default:
        return this.#wait(backoffMs(this.#attempt, this.#random));
    }
  }

  /** The socket's own close code may say more, but only once: the call's refusal is enough to ask. */
  #doubtToken(): ConnectionEffect[] {
    if (this.#state.name === "idle" || this.#state.name === "checking") return [];
    const leaving = this.#leave();
    this.#state = { name: "checking" };
    return [...leaving, { type: "check_token" }];
  }

  #judgeToken(error: AnySottoError | undefined): ConnectionEffect[] {
    const final = error && finalErrorOf({ error });
    return final ? this.#end(final) : this.#wait(backoffMs(this.#attempt, this.#random));
  }

  /** A try that began on the network of before may hang for long. */
  #hurry(): ConnectionEffect[] {
    switch (this.#state.name) {
      case "connecting":
      case "waiting":
        this.#attempt = 0;
        return [...this.#leave(), ...this.#connect()];
      default:
        return this.#lookAgain();
    }
  }

  #lookAgain(): ConnectionEffect[] {
    if (this.#state.name === "online") return [{ type: "probe" }];
    return this.#state.name === "waiting" ? [...this.#leave(), ...this.#connect()] : [];
  }

  #end(error: AnySottoError): ConnectionEffect[] {
    const leaving = this.#leave();
    this.#state = { name: "ended", error };
    return [...leaving, { type: "end", error }];
  }

  #leave(): ConnectionEffect[] {
    if (this.#isConnected()) return [{ type: "disconnect" }];
    return this.#state.name === "waiting" ? [{ type: "stop_waiting" }] : [];
  }
}
