import type { ContractRouter } from "@sotto/schema";
import { createTRPCClient, createWSClient, wsLink } from "@trpc/client";
import type { AnySottoError } from "../errors.ts";
import { toSottoError } from "./to-sotto-error.ts";

/** A quiet connection is asked by then whether it lives. */
const pingAfterMs = 20_000;
/** A connection that does not answer within this is dead. */
const answerWithinMs = 10_000;
/** So is one that was just asked because there is reason to doubt it. */
const probeWithinMs = 5_000;
/** A connection that the server has not confirmed by then is given up. */
const openWithinMs = 15_000;
/** How long a socket may take to close before it is left to itself. */
const closeWithinMs = 2_000;

interface StreamLimits {
  pingAfterMs: number;
  answerWithinMs: number;
  probeWithinMs: number;
  openWithinMs: number;
}
export const usualLimits: StreamLimits = { pingAfterMs, answerWithinMs, probeWithinMs, openWithinMs };

export interface StreamOptions {
  /** `https://host[:port][/path]`, without `/trpc`. */
  url: string;
  token: string;
  onOpen: () => void;
  /** Not checked against the contract: an event of a newer server must not break the stream. */
  onEvent: (event: unknown) => void;
  limits?: StreamLimits;
}

/** Why a stream ended: the socket's close code, or the server's refusal of the subscription. */
export interface StreamEnd {
  closeCode?: number;
  error?: AnySottoError;
}

export interface Stream {
  ended: Promise<StreamEnd>;
  /** Asks the server for a sign of life; without one the stream ends soon. */
  probe(): void;
  close(): Promise<void>;
}

/** Opens `sync.subscribe` on a socket of its own. It does not reconnect: each connection is a stream. */
export function openStream(options: StreamOptions): Stream {
  const { limits = usualLimits } = options;
  const end = Promise.withResolvers<StreamEnd>();
  const closed = Promise.withResolvers<void>();
  const { WebSocket: Watched, pulse } = watchedWebSocket();
  const socket = createWSClient({
    url: `${options.url.replace(/^http/, "ws")}/trpc`,
    WebSocket: Watched,
    connectionParams: { token: options.token },
    keepAlive: { enabled: true, intervalMs: limits.pingAfterMs, pongTimeoutMs: limits.answerWithinMs },
    onClose: (cause) => {
      closed.resolve();
      finish(cause?.code === undefined ? {} : { closeCode: cause.code });
    },
    onError: () => finish({}),
  });
  let isFinished = false;
  const finish = (why: StreamEnd): void => {
    if (isFinished) return;
    isFinished = true;
    clearTimeout(opening);
    pulse.stop();
    end.resolve(why);
    // Also keeps tRPC's client from reconnecting: it asks right after these callbacks.
    socket.close().catch(() => {});
  };
  const opening = setTimeout(() => finish({}), limits.openWithinMs);

  const server = createTRPCClient<ContractRouter>({ links: [wsLink({ client: socket })] });
  const subscription = server.sync.subscribe.subscribe(
    {},
    {
      onStarted: () => {
        clearTimeout(opening);
        // tRPC closes a dead socket, and a dead socket's close may take minutes: nobody waits for that.
        pulse.watch(limits.pingAfterMs + limits.answerWithinMs, () => finish({}));
        options.onOpen();
      },
      onData: options.onEvent,
      onError: (error) => finish({ error: toSottoError(error) }),
      onComplete: () => finish({}),
    },
  );

  return {
    ended: end.promise,
    probe() {
      if (!isFinished) pulse.ask(limits.probeWithinMs, () => finish({}));
    },
    async close() {
      subscription.unsubscribe();
      finish({});
      const timer = setTimeout(() => closed.resolve(), closeWithinMs);
      await closed.promise;
      clearTimeout(timer);
    },
  };
}

/** A socket class whose last sign of life is known. */
function watchedWebSocket() {
  const sockets: WebSocket[] = [];
  let heardAt = performance.now();
  let watching: ReturnType<typeof setInterval> | undefined;
  let asking: ReturnType<typeof setTimeout> | undefined;
  class Watched extends WebSocket {
    constructor(...args: ConstructorParameters<typeof WebSocket>) {
      super(...args);
      sockets.push(this);
      this.addEventListener("message", () => {
        heardAt = performance.now();
      });
    }
  }
  const pulse = {
    /** After a sleep of the machine the first look finds that nothing was heard for long. */
    watch(quietMs: number, onSilence: () => void): void {
      watching = setInterval(() => {
        if (performance.now() - heardAt > quietMs) onSilence();
      }, quietMs / 10);
    },
    ask(withinMs: number, onSilence: () => void): void {
      const socket = sockets.at(-1);
      if (asking !== undefined || socket?.readyState !== WebSocket.OPEN) return;
      const askedAt = performance.now();
      socket.send("PING");
      asking = setTimeout(() => {
        asking = undefined;
        if (heardAt < askedAt) onSilence();
      }, withinMs);
    },
    stop(): void {
      clearInterval(watching);
      clearTimeout(asking);
    },
  };
  return { WebSocket: Watched, pulse };
}
