import type { ContractRouter } from "@sotto/schema";
import { createTRPCClient, httpLink } from "@trpc/client";
import { SottoError, throwIfAborted } from "../errors.ts";
import type { CheckedServer } from "./answers.ts";
import { checkAnswers } from "./check-answers.ts";
import { withDeadline } from "./deadline.ts";
import { toSottoError } from "./to-sotto-error.ts";

/** A call that has no answer after this is given up; whoever may repeat it does. */
const timeoutMs = 30_000;

interface CallOptions {
  signal: AbortSignal;
}

/** The contract's procedures over HTTP. */
export interface Api {
  /**
   * Runs one call. Throws {@link SottoError}: the server's code, or `NETWORK`, `BAD_ANSWER`, `ABORTED`.
   *
   * @example
   * ```ts
   * await api.call((server, options) => server.keys.list.query({ userId }, options), signal);
   * ```
   */
  call<T>(run: (server: CheckedServer, options: CallOptions) => Promise<T>, signal?: AbortSignal): Promise<T>;
}

export interface ApiOptions {
  /** `https://host[:port][/path]`, without `/trpc`. */
  url: string;
  getToken: () => string | undefined;
}

export function createApi({ url, getToken }: ApiOptions): Api {
  const server = createTRPCClient<ContractRouter>({
    links: [
      checkAnswers,
      httpLink({
        url: `${url}/trpc`,
        headers: () => {
          const token = getToken();
          return token === undefined ? {} : { authorization: `Bearer ${token}` };
        },
      }),
    ],
  });
  return {
    async call(run, signal) {
      throwIfAborted(signal);
      try {
        return await withDeadline({ timeoutMs, signal }, (either) => run(server, { signal: either }));
      } catch (error) {
        throw toSottoError(unwrap(error), signal);
      }
    },
  };
}

/** A link's error arrives wrapped. */
function unwrap(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof SottoError ? error.cause : error;
}
