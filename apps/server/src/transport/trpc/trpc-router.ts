import { contract, type Procedure } from "@sotto/schema";
import { initTRPC } from "@trpc/server";
import type { App } from "../../app.ts";
import { AppError } from "../../errors.ts";
import type { SubscriberSocket } from "../../pipeline/call.ts";
import { runProcedure } from "../../pipeline/run-procedure.ts";
import { formatTrpcError, toTrpcError } from "./trpc-errors.ts";

export interface TrpcContext {
  token: string | undefined;
  address: string;
  requestId: string;
  door: "trpc_http" | "trpc_ws";
  socket?: SubscriberSocket | undefined;
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

interface Invocation {
  ctx: TrpcContext;
  input: unknown;
  signal: AbortSignal | undefined;
}

function buildProcedure(app: App, named: { area: string; name: string; kind: Procedure["kind"] }) {
  // The pipeline parses: tRPC passes the input on as it came.
  const base = t.procedure.input((raw: unknown) => raw);
  const run = (invocation: Invocation) => call(app, named, invocation);
  if (named.kind === "query") return base.query(run);
  if (named.kind === "mutation") return base.mutation(run);
  return base.subscription(async function* (invocation) {
    const events = await run(invocation);
    if (isAsyncIterable(events)) yield* events;
  });
}

async function call(
  app: App,
  named: { area: string; name: string },
  invocation: Invocation,
): Promise<unknown> {
  const { ctx, input, signal } = invocation;
  const startedAt = performance.now();
  let outcome = "ok";
  try {
    return await runProcedure(app, { ...named, readInput: () => input, signal, ...ctx });
  } catch (error) {
    outcome = error instanceof AppError ? error.code : "INTERNAL";
    if (outcome === "INTERNAL") app.log.error({ requestId: ctx.requestId, err: error }, "call failed");
    throw toTrpcError(error);
  } finally {
    const procedure = `${named.area}.${named.name}`;
    app.metrics.calls.observe({ procedure, door: ctx.door, outcome }, (performance.now() - startedAt) / 1000);
  }
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
