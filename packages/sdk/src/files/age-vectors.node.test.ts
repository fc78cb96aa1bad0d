import { createHash } from "node:crypto";
import { inflateSync } from "node:zlib";
import { Decrypter, armor } from "age-encryption";
import * as vectors from "cctv-age";
import { expect, test } from "vitest";
import { slimAge } from "../../slim/age.ts";
import { loadSlim } from "../../test/load-slim.ts";
import type * as age from "../parts/age.ts";
import { readChunks, toStream } from "./bytes-streams.ts";

/** A vector: `key: value` lines, an empty line, the file. */
function parseVector(vector: Uint8Array) {
  const bytes = Buffer.from(vector);
  const end = bytes.indexOf("\n\n");
  const headers = bytes
    .subarray(0, end)
    .toString()
    .split("\n")
    .map((line) => line.split(": ") as [string, string]);
  const all = (name: string) => headers.filter(([key]) => key === name).map(([, value]) => value);
  const body = bytes.subarray(end + 2);
  const [expected = ""] = all("expect");
  return {
    expected,
    isArmored: all("armored").length > 0,
    payload: all("payload")[0],
    identities: all("identity"),
    passphrases: all("passphrase"),
    file: all("compressed").length > 0 ? inflateSync(body) : body,
  };
}

const files = Object.entries(vectors).filter(
  (entry): entry is [string, Uint8Array] => entry[1] instanceof Uint8Array,
);

const nothing = createHash("sha256").digest("hex");
/** Every vector of several chunks begins with the same one. */
const oneChunk = parseVector(new Map(files).get("stream_no_final_full") ?? new Uint8Array()).payload;

async function* inChunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 10_007) yield bytes.subarray(at, at + 10_007);
}

test("there are all of the published vectors", () => {
  expect(files.length).toBeGreaterThan(100);
});

async function checkVector(decrypter: Decrypter, vector: Uint8Array): Promise<void> {
  const { expected, isArmored, payload, identities, passphrases, file } = parseVector(vector);
  for (const identity of identities) decrypter.addIdentity(identity);
  for (const passphrase of passphrases) decrypter.addPassphrase(passphrase);
  const released = createHash("sha256");
  const run = async (): Promise<void> => {
    const bytes = isArmored ? armor.decode(new TextDecoder().decode(file)) : file;
    for await (const chunk of readChunks(await decrypter.decrypt(toStream(inChunks(bytes)))))
      released.update(chunk);
  };
  if (expected === "success") await run();
  else await expect(run()).rejects.toThrow();
  // Of a file that fails later, authentic chunks alone are released: all of them, or fewer, since the library keeps a
  // full chunk back until it has seen the next byte, and a stream that fails drops what was not read yet.
  const allowed = expected === "success" ? [payload] : [payload, nothing, oneChunk];
  if (payload !== undefined) expect(allowed).toContain(released.digest("hex"));
}

test.each(files)("%s", async (_, vector) => {
  await checkVector(new Decrypter(), vector);
});

const isX25519 = (vector: Uint8Array): boolean => {
  const { identities, passphrases } = parseVector(vector);
  return passphrases.length === 0 && identities.every((identity) => identity.startsWith("AGE-SECRET-KEY-1"));
};

test("in browsers, all vectors of X25519 recipients", async () => {
  const { module: slim } = await loadSlim<typeof age>(slimAge);
  const ofX25519 = files.filter(([, vector]) => isX25519(vector));
  expect(ofX25519.length).toBeGreaterThan(60);
  for (const [name, vector] of ofX25519) {
    await checkVector(new slim.Decrypter(), vector).catch((cause: unknown) => {
      throw new Error(name, { cause });
    });
  }
});

test("what a browser's build leaves out says so", async () => {
  const { module: slim } = await loadSlim<typeof age>(slimAge);
  const scrypt = files.find(([name]) => name === "scrypt")?.[1] ?? expect.fail("no vector");
  await expect(checkVector(new slim.Decrypter(), scrypt)).rejects.toThrow("X25519 recipients alone");
});
