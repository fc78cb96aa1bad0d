import { toCamelKeys, toSnake } from "@sotto/schema";
import { AppError } from "../../errors.ts";
import type { Route } from "./routes.ts";

/**
 * Joins path, query and body into one input. A field that may stand in the query is taken from
 * there, else from the body.
 */
export function joinInput(
  route: Route,
  parts: { params: Record<string, string | undefined>; query: URLSearchParams; body: unknown },
): Record<string, unknown> {
  const body = toCamelKeys(requireObject(parts.body)) as Record<string, unknown>;
  const input: Record<string, unknown> = {};
  for (const { name, location, scalar } of route.fields) {
    const key = toSnake(name);
    const text =
      location === "path"
        ? parts.params[key]
        : location === "query"
          ? (parts.query.getAll(key).at(-1) ?? undefined)
          : undefined;
    const value =
      text === undefined ? (location === "path" ? undefined : body[name]) : readScalar(text, scalar);
    if (value !== undefined) input[name] = value;
  }
  return input;
}

function requireObject(body: unknown): object {
  if (body === undefined) return {};
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
