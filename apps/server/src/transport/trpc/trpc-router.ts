import { contract, type Procedure } from "@sotto/schema";
import { initTRPC } from "@trpc/server";
import type { App } from "../../app.ts";
import { AppError } from "../../errors.ts";
import type { Subscriber } from "../../pipeline/call.ts";
import { runProcedure, runSubscription, type Request } from "../../pipeline/run-procedure.ts";
import { formatTrpcError, toTrpcError } from "./trpc-errors.ts";

export interface TrpcContext {
  token: string | undefined;
  address: string;
  requestId: string;
  door: "trpc_http" | "trpc_ws";
}

const t = initTRPC.context<TrpcContext>().create({
  isDev: false,
  errorFormatter: ({ shape, error, ctx }) => formatTrpcError({ shape, error, requestId: ctx?.requestId }),
});

/** The tRPC router, built from the contract's table; `handlers.ts` proves that each procedure is of its type. */
export function createTrpcRouter(app: App) {
  const areas = Object.entries(contract).map(([area, procedures]) => [
    area,
    t.router(
      Object.fromEntries(
        Object.entries(procedures)
          .filter(([, { kind }]: [string, Procedure]) => kind !== "upload" && kind !== "download")
          .map(([name, procedure]: [string, Procedure]) => [
            name,
            buildProcedure(app, { area, name, kind: procedure.kind }),
          ]),
      ),
    ),
  ]);
  return t.router(Object.fromEntries(areas));
}

export type TrpcRouter = ReturnType<typeof createTrpcRouter>;

interface Invocation {
  ctx: TrpcContext;
  input: unknown;
}

/** Opens a subscription for a socket; its events go to the subscriber until it is disposed of. */
export function openSubscription(
  app: App,
  path: string,
  invocation: Invocation & { subscriber: Subscriber<unknown> },
): Promise<Disposable> {
  const [area = "", name = "", ...more] = path.split(".");
  const procedures: Record<string, Record<string, Procedure>> = contract;
  if (more.length > 0 || procedures[area]?.[name]?.kind !== "subscription") {
    return Promise.reject(toTrpcError(new AppError("ROUTE_NOT_FOUND")));
  }
  const { subscriber } = invocation;
  return observe(app, { area, name }, invocation, (request) =>
    runSubscription(app, { ...request, subscriber }),
  );
}

function buildProcedure(app: App, named: { area: string; name: string; kind: Procedure["kind"] }) {
  // The pipeline parses: tRPC passes the input on as it came.
  const base = t.procedure.input((raw: unknown) => raw);
  const run = (invocation: Invocation) =>
    observe(app, named, invocation, (request) => runProcedure(app, request));
  if (named.kind === "query") return base.query(run);
  if (named.kind === "mutation") return base.mutation(run);
  // Over HTTP it is refused; sockets use `openSubscription`.
  return base.subscription(async function* (invocation) {
    yield await run(invocation);
  });
}

/** Runs a call, measures it, and gives its error the form of tRPC's. */
async function observe<Result>(
  app: App,
  { area, name }: { area: string; name: string },
  { ctx, input }: Invocation,
  run: (request: Request) => Promise<Result>,
): Promise<Result> {
  const startedAt = performance.now();
  let outcome = "ok";
  try {
    return await run({ area, name, readInput: () => input, ...ctx });
  } catch (error) {
    outcome = error instanceof AppError ? error.code : "INTERNAL";
    if (outcome === "INTERNAL") app.log.error({ requestId: ctx.requestId, err: error }, "call failed");
    throw toTrpcError(error);
  } finally {
    const seconds = (performance.now() - startedAt) / 1000;
    app.metrics.calls.observe({ procedure: `${area}.${name}`, door: ctx.door, outcome }, seconds);
  }
}
