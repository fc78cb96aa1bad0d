import type { IncomingMessage, ServerResponse } from "node:http";
import { errors } from "@sotto/schema";
import { sql } from "kysely";
import type { App } from "../app.ts";
import { serveDocs } from "./rest/docs-page.ts";
import { createOpenApi } from "./rest/openapi.ts";
import { sendJson } from "./rest/send-json.ts";

const databaseTimeoutMs = 2_000;

const paths = new Set(["/health", "/metrics", "/openapi.json", "/docs"]);

/** Serves `/health`, `/metrics`, `/openapi.json` and `/docs`; false for any other request. */
export function createOperationsDoor(app: App) {
  let openApi: object | undefined;
  return async (request: IncomingMessage, response: ServerResponse, path: string): Promise<boolean> => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      if (!paths.has(path)) return false;
      response.setHeader("allow", "GET");
      sendJson(response, 405, { detail: errors.METHOD_NOT_ALLOWED.detail });
      return true;
    }
    switch (path) {
      case "/health": {
        const isUp = await isDatabaseUp(app);
        sendJson(response, isUp ? 200 : 503, { status: isUp ? "ok" : "unavailable", env: app.config.ENV });
        return true;
      }
      case "/metrics": {
        const { registry } = app.metrics;
        response.writeHead(200, { "content-type": registry.contentType }).end(await registry.metrics());
        return true;
      }
      case "/openapi.json":
        sendJson(response, 200, (openApi ??= createOpenApi()));
        return true;
      default:
        return serveDocs(path, response);
    }
  };
}

async function isDatabaseUp(app: App): Promise<boolean> {
  const timeout = new Promise<boolean>((resolve) =>
    setTimeout(() => resolve(false), databaseTimeoutMs).unref(),
  );
  const query = sql`select 1`.execute(app.db).then(
    () => true,
    () => false,
  );
  return Promise.race([query, timeout]);
}
