import { errorDefinition, listRefusals, toSnake, type Procedure } from "@sotto/schema";
import { z } from "zod";
import type { Route } from "./routes.ts";

export type Json = Record<string, unknown>;

/** What the OpenAPI document says of one route. */
export function describeRoute(route: Route): Json {
  const { area, name, procedure } = route;
  return {
    operationId: `${area}.${name}`,
    tags: [area],
    summary: procedure.summary,
    parameters: describeParameters(route),
    ...(procedure.access === "public" ? {} : { security: [{ bearer: [] }] }),
    ...describeRequestBody(route),
    responses: describeResponses(procedure),
  };
}

interface InputSchema {
  properties: Record<string, Json>;
  required: Set<string>;
}

function inputSchema({ procedure }: Route): InputSchema {
  const input = snakeSchema(z.toJSONSchema(procedure.input, { io: "input", unrepresentable: "any" })) as Json;
  return {
    properties: (input["properties"] ?? {}) as Record<string, Json>,
    required: new Set((input["required"] ?? []) as string[]),
  };
}

function describeParameters(route: Route): Json[] {
  const { procedure, rest, fields } = route;
  const { properties, required } = inputSchema(route);
  // Elsewhere a field of the query may stand in the JSON body instead.
  const hasBody = rest.method !== "GET" && procedure.kind !== "upload";
  const parameters: Json[] = fields
    .filter(({ location }) => location !== "body")
    .map(({ name, location }) => {
      const key = toSnake(name);
      return {
        name: rest.headers?.[key] ?? key,
        in: location,
        required: location === "path" || (!hasBody && required.has(key)),
        schema: properties[key] ?? {},
      };
    });
  for (const key of rest.alsoQuery ?? []) {
    parameters.push({ name: key, in: "query", required: false, schema: properties[key] ?? {} });
  }
  if (procedure.creates) {
    parameters.push({
      name: "Idempotency-Key",
      in: "header",
      required: false,
      schema: { type: "string", maxLength: 255 },
    });
  }
  if (rest.bytes)
    parameters.push({ name: "Range", in: "header", required: false, schema: { type: "string" } });
  return parameters;
}

function describeRequestBody(route: Route): Json {
  const { procedure, rest, fields } = route;
  if (procedure.kind === "upload") {
    return { requestBody: { required: true, content: { "*/*": { schema: bytesSchema } } } };
  }
  const inBody = fields.filter(
    ({ location }) => location === "body" || (location === "query" && rest.method !== "GET"),
  );
  if (inBody.length === 0) return {};
  const { properties, required } = inputSchema(route);
  const bodyRequired = inBody
    .filter(({ location }) => location === "body")
    .map(({ name }) => toSnake(name))
    .filter((key) => required.has(key));
  const object = {
    type: "object",
    properties: Object.fromEntries(
      inBody.map(({ name }) => [toSnake(name), properties[toSnake(name)] ?? {}]),
    ),
    ...(bodyRequired.length > 0 ? { required: bodyRequired } : {}),
  };
  const whole = rest.wholeBody === undefined ? undefined : properties[rest.wholeBody];
  const schema = whole ? { anyOf: [object, whole] } : object;
  return { requestBody: { required: bodyRequired.length > 0, content: { "application/json": { schema } } } };
}

const bytesSchema = { type: "string", format: "binary" };

function describeResponses(procedure: Procedure): Json {
  const { bytes } = procedure.rest ?? {};
  const json =
    procedure.output instanceof z.core.$ZodNever
      ? undefined
      : snakeSchema(z.toJSONSchema(procedure.output, { io: "output", unrepresentable: "any" }));
  const content = {
    ...(json === undefined ? {} : { "application/json": { schema: json } }),
    ...(bytes === undefined ? {} : { [bytes]: { schema: bytesSchema } }),
  };
  return {
    "200": { description: "Done", content },
    ...(bytes === undefined ? {} : describeParts(bytes)),
    ...describeRefusals(procedure),
    default: refusal("A refusal"),
  };
}

/** One response for each status, with what the procedure may say under it. */
function describeRefusals(procedure: Procedure): Json {
  const byStatus = Map.groupBy(listRefusals(procedure), (code) => errorDefinition(code).status);
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => {
      const texts = new Set(codes.map((code) => errorDefinition(code).detail));
      return [String(status), refusal([...texts].join("; "))];
    }),
  );
}

const describeParts = (bytes: string): Json => ({
  "206": { description: "The bytes that Range asked for", content: { [bytes]: { schema: bytesSchema } } },
  "304": { description: "The bytes that If-None-Match names" },
});

const refusal = (description: string): Json => ({
  description,
  content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
});

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
