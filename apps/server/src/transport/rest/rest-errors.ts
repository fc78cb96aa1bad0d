import { errorDefinition, toSnake, toSnakeKeys } from "@sotto/schema";
import { AppError, retryAfterOf } from "../../errors.ts";
import type { Route } from "./routes.ts";

export interface RestError {
  status: number;
  detail: unknown;
  headers: Record<string, string>;
}

/** How an error is answered on REST. What is no `AppError` is answered as INTERNAL, without its text. */
export function toRestError(error: unknown, route?: Route): RestError {
  const known = error instanceof AppError ? error : new AppError("INTERNAL");
  const { status, rest, detail } = errorDefinition(known.code);
  const details: object = known.details ?? {};
  const headers: Record<string, string> = {};
  if (status === 401) headers["www-authenticate"] = "Bearer";
  const retryAfter = retryAfterOf(known);
  if (retryAfter > 0) headers["retry-after"] = String(retryAfter);
  if (rest === "list") return { status, headers, detail: listIssues(known, route) };
  if (rest === "object") {
    return {
      status,
      headers,
      detail: { code: known.code.toLowerCase(), ...(toSnakeKeys(details) as object) },
    };
  }
  return { status, headers, detail };
}

function listIssues(error: AppError, route: Route | undefined): unknown[] {
  const details = error.details;
  if (!details || !("issues" in details)) return [];
  return details.issues.map(({ loc, msg, type }) => {
    const [field, ...rest] = loc;
    const location = route?.fields.find(({ name }) => name === field)?.location;
    const header = location === "header" && route?.rest.headers?.[toSnake(String(field))];
    if (header) return { loc: ["header", header.toLowerCase()], msg, type };
    const named = loc.map((part) => (typeof part === "string" ? toSnake(part) : part));
    // The door's own findings, on the whole body or on a header, say themselves where they stand.
    const isPlaced =
      location === undefined && (field === "header" || (field === "body" && rest.length === 0));
    return { loc: isPlaced ? loc : [location ?? "body", ...named], msg, type };
  });
}
