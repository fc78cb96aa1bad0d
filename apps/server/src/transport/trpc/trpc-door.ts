import type { IncomingMessage, ServerResponse } from "node:http";
import type { TRPCError } from "@trpc/server";
import { createHTTPHandler } from "@trpc/server/adapters/standalone";
import { AppError, retryAfterOf } from "../../errors.ts";
import { addressOf, bearerTokenOf, requestIdOf } from "../http-context.ts";
import { maxJsonBytes } from "../rest/body.ts";
import type { TrpcContext, TrpcRouter } from "./trpc-router.ts";

export const trpcPath = "/trpc";
export const maxBatchSize = 50;

/** tRPC over HTTP, by the official adapter. */
export function createTrpcHttpDoor(router: TrpcRouter) {
  const handle = createHTTPHandler<TrpcRouter>({
    router,
    basePath: `${trpcPath}/`,
    maxBodySize: maxJsonBytes,
    maxBatchSize,
    responseMeta: ({ errors }) => ({ headers: headersOf(errors) }),
    createContext: ({ req }): TrpcContext => {
      const requestId = requestIdOf(req);
      return {
        token: bearerTokenOf(req),
        address: addressOf(req),
        requestId,
        door: "trpc_http",
      };
    },
  });
  return (request: IncomingMessage, response: ServerResponse): void => handle(request, response);
}

/** A batch that met several limits is to wait for the longest. */
function headersOf(errors: readonly TRPCError[]): Record<string, string> {
  const seconds = errors.map(({ cause }) => (cause instanceof AppError ? retryAfterOf(cause) : 0));
  const longest = Math.max(0, ...seconds);
  return longest > 0 ? { "retry-after": String(longest) } : {};
}
