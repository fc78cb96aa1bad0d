import { contract, errors, PROTOCOL_VERSION, toSnake, type Procedure } from "@sotto/schema";
import { z } from "zod";
import { listRoutes, type Route } from "./routes.ts";

type Json = Record<string, unknown>;

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

function describeRoute({ area, name, procedure, rest, fields }: Route): Json {
  const input = snakeSchema(z.toJSONSchema(procedure.input, { io: "input", unrepresentable: "any" })) as Json;
  const properties = (input["properties"] ?? {}) as Record<string, Json>;
  const required = new Set((input["required"] ?? []) as string[]);
  const inBody = fields.filter(
    (field) => field.location === "body" || (field.location === "query" && rest.method !== "GET"),
  );
  const parameters: Json[] = fields
    .filter((field) => field.location !== "body")
    .map((field) => ({
      name: toSnake(field.name),
      in: field.location,
      required: field.location === "path" || (rest.method === "GET" && required.has(toSnake(field.name))),
      schema: properties[toSnake(field.name)] ?? {},
    }));
  if (procedure.creates) {
    parameters.push({
      name: "Idempotency-Key",
      in: "header",
      required: false,
      schema: { type: "string", maxLength: 255 },
    });
  }
  const bodyOnly = inBody.filter((field) => field.location === "body").map((field) => toSnake(field.name));
  const bodyRequired = bodyOnly.filter((key) => required.has(key));
  return {
    operationId: `${area}.${name}`,
    tags: [area],
    summary: procedure.summary,
    parameters,
    ...(procedure.access === "public" ? {} : { security: [{ bearer: [] }] }),
    ...(inBody.length === 0
      ? {}
      : {
          requestBody: {
            required: bodyRequired.length > 0,
            content: {
              "application/json": {
                schema: {
                  type: "object",
                  properties: Object.fromEntries(
                    inBody.map(({ name: key }) => [toSnake(key), properties[toSnake(key)] ?? {}]),
                  ),
                  ...(bodyRequired.length > 0 ? { required: bodyRequired } : {}),
                },
              },
            },
          },
        }),
    responses: describeResponses(procedure),
  };
}

function describeResponses(procedure: Procedure): Json {
  return {
    "200": {
      description: "Done",
      content: {
        "application/json": {
          schema: snakeSchema(z.toJSONSchema(procedure.output, { io: "output", unrepresentable: "any" })),
        },
      },
    },
    ...(procedure.access === "public" ? {} : { "401": refusal("No token, or one that is not good") }),
    "422": refusal("The input is not as described"),
    "429": refusal("A limit; see Retry-After"),
    default: refusal("A refusal"),
  };
}

/** Renames the properties of a JSON schema, and drops what OpenAPI has no use for. */
function snakeSchema(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(snakeSchema);
  if (typeof schema !== "object" || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([key]) => key !== "$schema")
      .map(([key, value]: [string, unknown]) => {
        if (key === "properties" && typeof value === "object" && value !== null) {
          return [
            key,
            Object.fromEntries(
              Object.entries(value).map(([name, item]) => [toSnake(name), snakeSchema(item)]),
            ),
          ];
        }
        if (key === "required" && Array.isArray(value))
          return [key, value.map((name) => toSnake(String(name)))];
        return [key, snakeSchema(value)];
      }),
  );
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

const refusal = (description: string): Json => ({
  description,
  content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
});

const answer = (description: string, type = "application/json"): Json => ({
  description,
  content: { [type]: {} },
});
