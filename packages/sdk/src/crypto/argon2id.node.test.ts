import { argon2Sync } from "node:crypto";
import { afterEach, expect, test, vi } from "vitest";
import { argon2id } from "./argon2id.ts";

const salt = new Uint8Array(16).fill(2);
afterEach(() => vi.restoreAllMocks());

test("in Node a passphrase is WebCrypto's to work on, so that all else goes on meanwhile", async () => {
  const derive = vi.spyOn(crypto.subtle, "deriveBits");
  const parameters = { memoryKiB: 65_536, iterations: 3, parallelism: 1, salt };
  const expected = argon2Sync("argon2id", {
    message: "passphrase",
    nonce: salt,
    memory: 65_536,
    passes: 3,
    parallelism: 1,
    tagLength: 32,
  });
  expect(await argon2id("passphrase", parameters)).toEqual(new Uint8Array(expected));
  expect(derive).toHaveBeenCalledWith(expect.objectContaining({ name: "Argon2id" }), expect.anything(), 256);
});
