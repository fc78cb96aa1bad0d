import type { IncomingMessage, ServerResponse } from "node:http";
import { toSnakeKeys } from "@sotto/schema";
import type { App } from "../../app.ts";
import { AppError } from "../../errors.ts";
import type { Log } from "../../log.ts";
import { runProcedure } from "../../pipeline/run-procedure.ts";
import { addressOf, bearerTokenOf, requestIdOf, targetOf } from "../http-context.ts";
import { readJsonBody } from "./body.ts";
import { joinInput } from "./input.ts";
import { toRestError, type RestError } from "./rest-errors.ts";
import { createRouteTable, type Route } from "./routes.ts";

type Door = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** Serves the REST routes of the contract. */
export function createRestDoor(app: App): Door {
  const table = createRouteTable();
  return async (request, response) => {
    const startedAt = performance.now();
    const log = app.log.child({ requestId: requestIdOf(request) });
    let route: Route | undefined;
    try {
      const target = targetOf(request);
      if (!target) throw new AppError("ROUTE_NOT_FOUND");
      const match = table.find(request.method ?? "", target.pathname);
      if (!match) {
        const allowed = table.allowedMethods(target.pathname);
        if (allowed.length === 0) throw new AppError("ROUTE_NOT_FOUND");
        response.setHeader("allow", allowed.join(", "));
        throw new AppError("METHOD_NOT_ALLOWED");
      }
      route = match.route;
      const answer = await callRoute(app, request, { ...match, target, log });
      sendJson(response, 200, toSnakeKeys(answer));
    } catch (error) {
      answerError(response, toRestError(error, route), { error, log });
      if (!request.complete) endUnread(request, response);
    }
    const procedure = route ? `${route.area}.${route.name}` : "none";
    const seconds = (performance.now() - startedAt) / 1000;
    app.metrics.calls.observe({ procedure, door: "rest", outcome: String(response.statusCode) }, seconds);
    log.debug({ procedure, status: response.statusCode, ms: Math.round(seconds * 1000) }, "request");
  };
}

async function callRoute(
  app: App,
  request: IncomingMessage,
  matched: { route: Route; target: URL; params: Record<string, string | undefined>; log: Log },
): Promise<unknown> {
  const { route, target, params, log } = matched;
  const idempotencyKey = request.headers["idempotency-key"];
  if (idempotencyKey !== undefined && !/^[\x21-\x7e]{1,255}$/.test(String(idempotencyKey))) {
    throw new AppError("VALIDATION_FAILED", {
      issues: [
        {
          loc: ["header", "idempotency-key"],
          msg: "1 to 255 visible ASCII characters",
          type: "invalid_format",
        },
      ],
    });
  }
  const body = route.rest.method === "GET" ? undefined : await readJsonBody(request);
  return runProcedure(app, {
    area: route.area,
    name: route.name,
    rawInput: joinInput(route, { params, query: target.searchParams, body }),
    token: bearerTokenOf(request),
    address: addressOf(request),
    log,
    idempotencyKey: idempotencyKey === undefined ? undefined : String(idempotencyKey),
  });
}

function answerError(response: ServerResponse, answer: RestError, cause: { error: unknown; log: Log }): void {
  if (answer.status >= 500) cause.log.error({ err: cause.error }, "request failed");
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
  sendJson(response, answer.status, { detail: answer.detail });
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(text);
}

/** The rest of a refused body is not read: the connection ends once the answer is out. */
function endUnread(request: IncomingMessage, response: ServerResponse): void {
  response.once("finish", () => request.destroy());
}
