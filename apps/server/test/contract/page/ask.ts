import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import type { RestAnswer } from "../../rest-client.ts";
import { requireDescribed, requireDescribedType } from "../described-rest.ts";
import type { Asked } from "./page.ts";

/** The request's line: parameters escaped, as any client does it. */
export function lineOf(route: string, { params = {}, query }: Asked): string {
  const path = route.replace(/\{(\w+)\}/g, (whole, name: string) =>
    Object.hasOwn(params, name) ? encodeURIComponent(params[name] ?? "") : whole,
  );
  return query ? `${path}?${new URLSearchParams(query).toString()}` : path;
}

/** Asks; the answer echoes the request's id and is what the OpenAPI document says, also where it refuses. */
export async function ask(url: string, route: string, asked: Asked): Promise<RestAnswer> {
  const line = lineOf(route, asked);
  const [method = "", path = ""] = line.split(" ");
  const requestId = randomUUID();
  const { by, body } = asked;
  const isRaw = body instanceof Uint8Array;
  const response = await fetch(url + path, {
    method,
    headers: {
      "x-request-id": requestId,
      ...(by ? { authorization: `Bearer ${by.token}` } : {}),
      ...(body === undefined || isRaw ? {} : { "content-type": "application/json" }),
      ...asked.headers,
    },
    ...(body === undefined ? {} : { body: isRaw ? new Uint8Array(body) : JSON.stringify(body) }),
  });
  expect(response.headers.get("x-request-id")).toBe(requestId);
  const answer = await readAnswer(response);
  if (answer.isJson) await requireDescribed(url, line, answer);
  else await requireDescribedType(url, line, answer);
  return answer;
}

async function readAnswer(response: Response): Promise<RestAnswer & { isJson: boolean }> {
  const isJson = response.headers.get("content-type") === "application/json; charset=utf-8";
  const { status, headers } = response;
  if (!isJson) {
    const bytes = Buffer.from(await response.arrayBuffer()).toString("base64");
    return { status, headers, body: { bytes }, isJson };
  }
  return { status, headers, body: (await response.json()) as RestAnswer["body"], isJson };
}

/** Where a field of a request stands. */
export function placeOf(asked: Asked, field: string): "path" | "query" | "body" {
  if (asked.params && field in asked.params) return "path";
  return asked.query && field in asked.query ? "query" : "body";
}

/** The request with another value in a field, or without it. */
export function withField(asked: Asked, field: string, value: unknown): Asked {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const place = placeOf(asked, field);
  if (place === "path") return { ...asked, params: { ...asked.params, [field]: text ?? "" } };
  if (place === "query") {
    const { [field]: _, ...query } = asked.query ?? {};
    return { ...asked, query: value === undefined ? query : { ...query, [field]: text } };
  }
  return { ...asked, body: { ...(asked.body as object), [field]: value } };
}
