import { contract, errors, PROTOCOL_VERSION } from "@sotto/schema";
import { describeRoute, type Json } from "./openapi-routes.ts";
import { listRoutes } from "./routes.ts";

/** The OpenAPI 3.1 document of every REST route, made from the contract. */
export function createOpenApi(): Json {
  const paths: Record<string, Json> = { ...operationsPaths() };
  for (const route of listRoutes()) {
    const path = (paths[route.rest.path] ??= {});
    path[route.rest.method.toLowerCase()] = describeRoute(route);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Sotto",
      version: `${PROTOCOL_VERSION}.0.0`,
      summary: "Self-hosted, end-to-end-encrypted messaging",
      description: "REST-compat routes. Live delivery is on `/ws`; see docs/PROTOCOL.md.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    tags: Object.keys(contract).map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
      schemas: {
        Error: {
          type: "object",
          required: ["detail"],
          properties: {
            detail: {
              description: "A text; an object with `code`; or, for 422, a list of `{loc, msg, type}`",
              anyOf: [
                { type: "string" },
                {
                  type: "object",
                  required: ["code"],
                  properties: { code: { enum: Object.keys(errors).map((code) => code.toLowerCase()) } },
                },
                { type: "array", items: { type: "object", required: ["loc", "msg", "type"] } },
              ],
            },
          },
        },
      },
    },
  };
}

function operationsPaths(): Record<string, Json> {
  return {
    "/health": {
      get: {
        operationId: "health",
        summary: "Whether the server can serve",
        responses: { "200": answer("It can"), "503": answer("The database is away") },
      },
    },
    "/metrics": {
      get: {
        operationId: "metrics",
        summary: "Prometheus metrics",
        responses: { "200": answer("Metrics in the text format", "text/plain") },
      },
    },
    "/openapi.json": {
      get: { operationId: "openapi", summary: "This document", responses: { "200": answer("OpenAPI 3.1") } },
    },
    "/docs": {
      get: {
        operationId: "docs",
        summary: "A page that shows this document",
        responses: { "200": answer("The page", "text/html") },
      },
    },
  };
}

const answer = (description: string, type = "application/json"): Json => ({
  description,
  content: { [type]: {} },
});
