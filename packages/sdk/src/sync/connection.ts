import { secureRandom } from "../api/retry.ts";
import { type Stream, type StreamEnd, openStream } from "../api/stream.ts";
import { toSottoError } from "../api/to-sotto-error.ts";
import { type AnySottoError, SottoError, isAuthError } from "../errors.ts";
import type { OwnIdentity } from "../identity/own-identity.ts";
import type { Session } from "../session.ts";
import {
  type ConnectionEffect,
  type ConnectionInput,
  ConnectionMachine,
  type ConnectionState,
} from "./connection-machine.ts";
import { watchEnvironment } from "./environment.ts";

interface ConnectionOptions {
  session: Session;
  /** A new connection begins: nothing more comes from the one before. */
  onConnecting: () => void;
  onEvent: (event: unknown) => void;
  onState: (state: ConnectionState) => void;
}

/** The connection of a live stream, from its start to its final end: performs what {@link ConnectionMachine} decides. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #machine = new ConnectionMachine(secureRandom);
  readonly #ended = Promise.withResolvers<AnySottoError>();
  readonly #ending = new AbortController();
  readonly #stopWatching: () => void;
  /** Ends the present connection, or the try at one. */
  #leaving = new AbortController();
  #stream: Stream | undefined;
  #closing: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#stopWatching = watchEnvironment({
      onNetworkUp: () => this.handle({ type: "network_up" }),
      onDoubt: () => this.handle({ type: "doubted" }),
    });
  }

  /** Aborts at the final end, with its reason. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Why it is over for good, once the socket is closed. */
  get ended(): Promise<AnySottoError> {
    return this.#ended.promise;
  }

  handle(input: ConnectionInput): void {
    const { state } = this.#machine;
    const before = { ...state };
    const effects = this.#machine.handle(input);
    if (!isSame(before, this.#machine.state)) this.#options.onState(this.#machine.state);
    for (const effect of effects) this.#perform(effect);
  }

  /** Ends the present stream, if any: what it still had comes again on the next. */
  reconnect(): void {
    this.#leave();
    this.handle({ type: "lost", end: {} });
  }

  #perform(effect: ConnectionEffect): void {
    switch (effect.type) {
      case "connect":
        void this.#connect();
        return;
      case "disconnect":
        this.#leave();
        return;
      case "wait":
        this.#timer = setTimeout(() => this.handle({ type: "retry_due" }), effect.pauseMs);
        return;
      case "stop_waiting":
        clearTimeout(this.#timer);
        return;
      case "check_token":
        void this.#checkToken();
        return;
      case "probe":
        this.#stream?.probe();
        return;
      case "end":
        void this.#end(effect.error);
    }
  }

  #leave(): void {
    this.#leaving.abort();
    const stream = this.#stream;
    this.#stream = undefined;
    if (stream) this.#closing = stream.close();
  }

  async #connect(): Promise<void> {
    this.#leaving = new AbortController();
    const { signal } = this.#leaving;
    this.#options.onConnecting();
    const end = await this.#stayConnected(signal);
    if (signal.aborted) return;
    this.#stream = undefined;
    this.handle({ type: "lost", end });
  }

  async #stayConnected(signal: AbortSignal): Promise<StreamEnd> {
    const { account, api, identity, url } = this.#options.session;
    const given = AbortSignal.any([signal, this.signal]);
    try {
      await account.publish(api, given);
      await checkIdentity(identity, given);
    } catch (error) {
      return { error: toSottoError(error) };
    }
    if (signal.aborted) return {};
    const stream = openStream({
      url,
      token: account.token ?? "",
      onOpen: () => {
        if (!signal.aborted) this.handle({ type: "opened" });
      },
      onEvent: (event) => {
        if (!signal.aborted) this.#options.onEvent(event);
      },
    });
    this.#stream = stream;
    return stream.ended;
  }

  /** Sockets are told that a token is not good; why, and whether it is still so, is told over HTTP. */
  async #checkToken(): Promise<void> {
    const { api } = this.#options.session;
    const error = await api
      .call((server, options) => server.keys.listMine.query({}, options), this.signal)
      .then(
        () => undefined,
        (thrown: unknown) => toSottoError(thrown),
      );
    this.handle({ type: "token_checked", error: isAuthError(error) ? error : undefined });
  }

  async #end(error: AnySottoError): Promise<void> {
    this.#stopWatching();
    this.#ending.abort(error);
    await this.#closing;
    this.#ended.resolve(error);
  }
}

function isSame(one: ConnectionState, other: ConnectionState): boolean {
  if (one.name !== other.name) return false;
  // A new pause is news.
  if (one.name === "online" && other.name === "online") return one.isCaughtUp === other.isCaughtUp;
  return one.name !== "waiting";
}

/** Somebody who is cut off again and again must not be kept away by the limit of look-ups. */
async function checkIdentity(identity: OwnIdentity, signal: AbortSignal): Promise<void> {
  try {
    await identity.check(signal);
  } catch (error) {
    if (!(error instanceof SottoError) || error.code !== "RATE_LIMITED") throw error;
  }
}
