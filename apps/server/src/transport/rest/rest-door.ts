import type { IncomingMessage, ServerResponse } from "node:http";
import { toSnakeKeys } from "@sotto/schema";
import type { App } from "../../app.ts";
import { AppError } from "../../errors.ts";
import { runDownload, runProcedure, type Request } from "../../pipeline/run-procedure.ts";
import { addressOf, bearerTokenOf, requestIdOf, targetOf } from "../http-context.ts";
import { openUpload, readJsonBody } from "./body.ts";
import { sendDownload } from "./download.ts";
import { joinInput } from "./input.ts";
import { toRestError, type RestError } from "./rest-errors.ts";
import { createRouteTable, type Route } from "./routes.ts";
import { sendJson } from "./send-json.ts";

const lingerMs = 1_000;
/** For the metrics alone: nginx's number for a client that closed the connection. */
const clientGoneStatus = 499;

type Door = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** Serves the REST routes of the contract. */
export function createRestDoor(app: App): Door {
  const table = createRouteTable();
  return async (request, response) => {
    const startedAt = performance.now();
    const requestId = requestIdOf(request);
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
      const call = readCall(request, { ...match, target, requestId });
      if (route.procedure.kind === "download") {
        await sendDownload(request, response, await runDownload(app, call));
      } else sendJson(response, 200, toSnakeKeys(await runProcedure(app, call)));
    } catch (error) {
      // Nobody is left to be told.
      if (error === request.errored) response.statusCode = clientGoneStatus;
      else {
        const answer = toRestError(error, route);
        if (answer.status >= 500) app.log.error({ requestId, err: error }, "request failed");
        answerError(response, answer);
      }
    }
    if (!request.complete) endUnread(request, response);
    const procedure = route ? `${route.area}.${route.name}` : "none";
    const seconds = (performance.now() - startedAt) / 1000;
    app.metrics.calls.observe({ procedure, door: "rest", outcome: String(response.statusCode) }, seconds);
    app.log.debug(
      { requestId, procedure, status: response.statusCode, ms: Math.round(seconds * 1000) },
      "request",
    );
  };
}

/** Reads of a request what the pipeline needs of it. */
function readCall(
  request: IncomingMessage,
  matched: { route: Route; target: URL; params: Record<string, string | undefined>; requestId: string },
): Request {
  const { route, target, params, requestId } = matched;
  const { headers } = request;
  const idempotencyKey = readIdempotencyKey(request);
  const isUpload = route.procedure.kind === "upload";
  const hasJson = !isUpload && route.rest.method !== "GET";
  const readInput = async (): Promise<Record<string, unknown>> => {
    const body = hasJson ? await readJsonBody(request, route.rest.maxBodyBytes) : undefined;
    return joinInput(route, { params, query: target.searchParams, headers, body });
  };
  return {
    area: route.area,
    name: route.name,
    readInput,
    token: bearerTokenOf(request),
    address: addressOf(request),
    requestId,
    idempotencyKey,
    body: isUpload ? openUpload(request) : undefined,
  };
}

function readIdempotencyKey(request: IncomingMessage): string | undefined {
  const key = request.headers["idempotency-key"];
  if (key === undefined || /^[\x21-\x7e]{1,255}$/.test(String(key))) return key?.toString();
  const loc = ["header", "idempotency-key"];
  throw new AppError("VALIDATION_FAILED", {
    issues: [{ loc, msg: "1 to 255 visible ASCII characters", type: "invalid_format" }],
  });
}

function answerError(response: ServerResponse, answer: RestError): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
  sendJson(response, answer.status, { detail: answer.detail });
}

/**
 * The rest of a body that nobody reads is thrown away for a moment, so that a client that is still
 * sending gets to read the answer; then the connection ends.
 */
function endUnread(request: IncomingMessage, response: ServerResponse): void {
  const linger = (): void => {
    const timer = setTimeout(() => request.destroy(), lingerMs);
    request.once("close", () => clearTimeout(timer));
    // Node does so itself only where nothing of the body was read.
    request.resume();
  };
  if (response.writableFinished) linger();
  else response.once("finish", linger);
}
