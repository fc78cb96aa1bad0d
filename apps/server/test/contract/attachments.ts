import { expect } from "vitest";
import type { Json } from "../rest-client.ts";
import { rest } from "./described-rest.ts";
import { sendAll, type DevicePerson } from "./people.ts";

interface Raw {
  token: string;
  body?: string | Uint8Array<ArrayBuffer> | AsyncIterable<Uint8Array>;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Sends a body as it is. */
export function upload(url: string, messageId: string, { token, body = "bytes", headers, signal }: Raw) {
  return fetch(`${url}/messages/${messageId}/attachments/upload`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, ...headers },
    body,
    duplex: "half",
    ...(signal ? { signal } : {}),
  });
}

/** Uploads what must be taken; gives the answer. */
export async function uploaded(url: string, messageId: string, raw: Raw): Promise<Json> {
  const response = await upload(url, messageId, raw);
  expect(response.status).toBe(200);
  return (await response.json()) as Json;
}

export function download(
  url: string,
  attachment: unknown,
  { token, headers, method = "GET" }: { token: string; headers?: Record<string, string>; method?: string },
): Promise<Response> {
  const path = `/messages/attachments/blob/${String(attachment)}`;
  return fetch(url + path, { method, headers: { authorization: `Bearer ${token}`, ...headers } });
}

export async function attachmentsOf(url: string, messageId: string, token: string): Promise<Json[]> {
  const { status, body } = await rest(url, `GET /messages/${messageId}/attachments`, { token });
  expect(status, JSON.stringify(body)).toBe(200);
  return body["attachments"] as Json[];
}

export async function newMessage(url: string, from: DevicePerson, to: { id: string }): Promise<string> {
  return String((await sendAll(url, from, to, ["a"]))[0]?.["id"]);
}
