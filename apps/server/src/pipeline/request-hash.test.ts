import { expect, test } from "vitest";
import type { UploadBody } from "./call.ts";
import { hashRequest } from "./request-hash.ts";

const upload = { area: "attachments", name: "upload", input: { filename: "a" } };

function bodyOf(...chunks: string[]): UploadBody {
  const read = async function* (): AsyncGenerator<Uint8Array, void> {
    for (const chunk of chunks) yield Buffer.from(chunk);
  };
  return { announcedBytes: undefined, [Symbol.asyncIterator]: read };
}

/** As a service does: reads the bytes, and only then takes the key. */
async function hashOf(named: typeof upload, body?: UploadBody): Promise<string> {
  const hashed = hashRequest(named, body);
  for await (const _ of hashed.body ?? []) void _;
  return hashed.digest().toString("hex");
}

test("the same request has the same hash, however its bytes arrive", async () => {
  expect(await hashOf(upload, bodyOf("one", "two"))).toBe(await hashOf(upload, bodyOf("onetwo")));
  expect(await hashOf(upload)).toBe(await hashOf({ ...upload, input: { filename: "a" } }));
});

test("another procedure, input or other bytes have another", async () => {
  const hashes = await Promise.all([
    hashOf(upload, bodyOf("one")),
    hashOf(upload, bodyOf("two")),
    hashOf(upload),
    hashOf({ ...upload, name: "replace" }),
    hashOf({ ...upload, input: { filename: "b" } }),
  ]);
  expect(new Set(hashes).size).toBe(hashes.length);
});

test("the bytes pass through as they came, with their announced size", async () => {
  const { body } = hashRequest(upload, { ...bodyOf("one", "two"), announcedBytes: 6 });
  const chunks: string[] = [];
  for await (const bytes of body ?? []) chunks.push(Buffer.from(bytes).toString());
  expect({ chunks, announced: body?.announcedBytes }).toEqual({ chunks: ["one", "two"], announced: 6 });
});
