import type { IncomingHttpHeaders } from "node:http";
import { toCamel, toCamelKeys, toSnake } from "@sotto/schema";
import { AppError } from "../../errors.ts";
import type { Route } from "./routes.ts";

interface RequestParts {
  params: Record<string, string | undefined>;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  body: unknown;
}

/**
 * Joins path, query, headers and body into one input. A field that may stand in the query is taken
 * from there, else from the body.
 */
export function joinInput(route: Route, parts: RequestParts): Record<string, unknown> {
  const body = toCamelKeys(requireObject(route, parts.body)) as Record<string, unknown>;
  const input: Record<string, unknown> = {};
  for (const field of route.fields) {
    const text = findText(route, field, parts);
    const isInBody = field.location === "body" || field.location === "query";
    const value =
      text === undefined ? (isInBody ? body[field.name] : undefined) : readScalar(text, field.scalar);
    if (value !== undefined) input[field.name] = value;
  }
  return input;
}

function findText(
  route: Route,
  { name, location }: Route["fields"][number],
  parts: RequestParts,
): string | undefined {
  const key = toSnake(name);
  switch (location) {
    case "path":
      return parts.params[key];
    case "query":
      return parts.query.getAll(key).at(-1);
    case "header": {
      const text = parts.headers[route.rest.headers?.[key]?.toLowerCase() ?? ""];
      return text === undefined ? undefined : readHeaderText(String(text));
    }
    case "body":
      return route.rest.alsoQuery?.includes(key) ? parts.query.getAll(key).at(-1) : undefined;
  }
}

/** Node gives a header's bytes as Latin-1; most clients mean UTF-8, and browsers can only send RFC 8187. */
function readHeaderText(text: string): string {
  const extended = /^UTF-8'[\w-]*'([\w!#$&+.^`|~%-]*)$/i.exec(text)?.[1];
  try {
    if (extended !== undefined) return decodeURIComponent(extended);
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(text, "latin1"));
  } catch {
    return text;
  }
}

function requireObject(route: Route, body: unknown): object {
  if (body === undefined) return {};
  const { wholeBody } = route.rest;
  if (wholeBody !== undefined && Array.isArray(body)) return { [toCamel(wholeBody)]: body };
  if (typeof body === "object" && body !== null && !Array.isArray(body)) return body;
  throw new AppError("VALIDATION_FAILED", {
    issues: [{ loc: ["body"], msg: "The body is to be a JSON object", type: "invalid_type" }],
  });
}

const booleans: Record<string, boolean> = {
  true: true,
  false: false,
  "1": true,
  "0": false,
  yes: true,
  no: false,
  on: true,
  off: false,
};

/** A text that cannot be read as what it should be is left for the schema to refuse. */
function readScalar(text: string, scalar: Route["fields"][number]["scalar"]): unknown {
  if (scalar === "number" && /^-?\d{1,15}(\.\d+)?$/.test(text)) return Number(text);
  if (scalar === "boolean") return booleans[text.toLowerCase()] ?? text;
  return text;
}
