import { argon2id as oracle } from "@noble/hashes/argon2.js";
import { afterEach, expect, test, vi } from "vitest";
import { argon2id } from "./argon2id.ts";

const { subtle } = crypto;
const salt = new Uint8Array(16).fill(2);
const cases = [
  { memoryKiB: 64, iterations: 1, parallelism: 1 },
  { memoryKiB: 64, iterations: 2, parallelism: 4 },
  { memoryKiB: 4096, iterations: 3, parallelism: 1 },
];

afterEach(() => vi.restoreAllMocks());

/** As in a browser, or in an older Node. */
function takeFromPlatform(): void {
  const importKey = subtle.importKey.bind(subtle) as (...input: unknown[]) => Promise<CryptoKey>;
  vi.spyOn(subtle, "importKey").mockImplementation(((format: string, ...rest: unknown[]) =>
    format === "raw-secret"
      ? Promise.reject(new DOMException("Unrecognized name", "NotSupportedError"))
      : importKey(format, ...rest)) as typeof subtle.importKey);
}

test.each([
  ["by what the platform has", () => {}],
  ["by WebAssembly", takeFromPlatform],
])("Argon2id makes what an independent library makes: %s", { timeout: 60_000 }, async (_, prepare) => {
  prepare();
  for (const { memoryKiB, iterations, parallelism } of cases) {
    const expected = oracle("pässphrase", salt, { m: memoryKiB, t: iterations, p: parallelism, dkLen: 32 });
    const parameters = { memoryKiB, iterations, parallelism, salt };
    expect(await argon2id("pässphrase", parameters)).toEqual(expected);
    // Decomposed, as some keyboards write it.
    expect(await argon2id("pa\u0308ssphrase", parameters)).toEqual(expected);
  }
});
