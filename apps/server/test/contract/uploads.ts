import { expect } from "vitest";
import type { Json } from "../rest-client.ts";
import { rest } from "./described-rest.ts";

/** Begins an upload that must be taken; gives its state. */
export async function begun(url: string, by: { token: string }, body: object): Promise<Json> {
  const answer = await rest(url, "POST /uploads", { token: by.token, body });
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return answer.body;
}

/** Sends what follows the offset. */
export async function put(
  url: string,
  upload: { id: unknown; offset: number; by: { token: string }; signal?: AbortSignal },
  body: Uint8Array<ArrayBuffer> | AsyncIterable<Uint8Array>,
): Promise<{ status: number; body: Json }> {
  const { id, offset, by, signal } = upload;
  const response = await fetch(`${url}/uploads/${String(id)}?offset=${offset}`, {
    method: "PUT",
    headers: { authorization: `Bearer ${by.token}` },
    body,
    duplex: "half",
    ...(signal ? { signal } : {}),
  });
  return { status: response.status, body: (await response.json()) as Json };
}

export async function offsetOf(url: string, by: { token: string }, id: unknown): Promise<number> {
  const { body } = await rest(url, `GET /uploads/${String(id)}`, { token: by.token });
  return Number(body["offset"]);
}
