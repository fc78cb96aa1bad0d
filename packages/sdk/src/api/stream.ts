import type { ContractRouter } from "@sotto/schema";
import { createTRPCClient, createWSClient, wsLink } from "@trpc/client";
import type { AnySottoError } from "../errors.ts";
import { toSottoError } from "./to-sotto-error.ts";

const keepAlive = { enabled: true, intervalMs: 20_000, pongTimeoutMs: 10_000 };
/** A connection that the server has not confirmed by then is given up. */
const openWithinMs = 15_000;
/** How long a socket may take to close before it is left to itself. */
const closeWithinMs = 2_000;

export interface StreamOptions {
  /** `https://host[:port][/path]`, without `/trpc`. */
  url: string;
  token: string;
  onOpen: () => void;
  /** Not checked against the contract: an event of a newer server must not break the stream. */
  onEvent: (event: unknown) => void;
}

/** Why a stream ended: the socket's close code, or the server's refusal of the subscription. */
export interface StreamEnd {
  closeCode?: number;
  error?: AnySottoError;
}

export interface Stream {
  ended: Promise<StreamEnd>;
  close(): Promise<void>;
}

/** Opens `sync.subscribe` on a socket of its own. It does not reconnect: each connection is a stream. */
export function openStream(options: StreamOptions): Stream {
  const end = Promise.withResolvers<StreamEnd>();
  const closed = Promise.withResolvers<void>();
  const socket = createWSClient({
    url: `${options.url.replace(/^http/, "ws")}/trpc`,
    connectionParams: { token: options.token },
    keepAlive,
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
    end.resolve(why);
    // Also keeps tRPC's client from reconnecting: it asks right after these callbacks.
    socket.close().catch(() => {});
  };
  const opening = setTimeout(() => finish({}), openWithinMs);

  const server = createTRPCClient<ContractRouter>({ links: [wsLink({ client: socket })] });
  const subscription = server.sync.subscribe.subscribe(
    {},
    {
      onStarted: () => {
        clearTimeout(opening);
        options.onOpen();
      },
      onData: options.onEvent,
      onError: (error) => finish({ error: toSottoError(error) }),
      onComplete: () => finish({}),
    },
  );

  return {
    ended: end.promise,
    async close() {
      subscription.unsubscribe();
      finish({});
      const timer = setTimeout(() => closed.resolve(), closeWithinMs);
      await closed.promise;
      clearTimeout(timer);
    },
  };
}
