/** X-Wing as browsers get it, against its draft's vectors and the whole library, both ways. */
import { createRequire } from "node:module";
import { afterEach, describe, expect, it, vi } from "vitest";
import { slimXWing } from "../../slim/x-wing.ts";
import { loadSlim } from "../../test/load-slim.ts";
import { sha256Hex, vectors } from "../../test/x-wing-vectors.ts";
import { generateXWing } from "./kems.ts";
import { randomBytes } from "./primitives.ts";
import * as whole from "./x-wing.ts";

const { module: slim, files } = await loadSlim<typeof whole>(slimXWing);
const context = { info: new TextEncoder().encode("sealed/v1"), aad: Uint8Array.of(1, 2, 3) };

afterEach(() => {
  vi.restoreAllMocks();
});

it.each(vectors)("vector $at of the draft holds", async ({ seed, eseed, pk, ct }) => {
  const publicKeyBytes = await slim.derivePublicKey(seed);
  expect(sha256Hex(publicKeyBytes)).toBe(pk);
  // The library draws X25519's half of the eseed first.
  const drawn = [eseed.subarray(32), eseed.subarray(0, 32)];
  vi.spyOn(crypto, "getRandomValues").mockImplementation((bytes) => {
    if (bytes instanceof Uint8Array) bytes.set(drawn.shift() ?? expect.fail("drew more than the eseed"));
    return bytes;
  });
  const plaintext = Uint8Array.of(4, 5, 6);
  const sealed = await slim.sealXWing(publicKeyBytes, plaintext, context);
  expect(sha256Hex(sealed.enc)).toBe(ct);
  expect(await slim.openXWing({ seed, publicKeyBytes }, sealed, context)).toEqual(plaintext);
});

describe.each([
  { from: "slim", to: "whole", sealer: slim, opener: whole },
  { from: "whole", to: "slim", sealer: whole, opener: slim },
])("from $from to $to", ({ sealer, opener }) => {
  it("opens, and not with another aad, ciphertext or key", async () => {
    for (let times = 0; times < 10; times++) {
      const [pair, other] = [await generateXWing(), await generateXWing()];
      expect(await sealer.derivePublicKey(pair.seed)).toEqual(pair.publicKeyBytes);
      const plaintext = randomBytes(32);
      const sealed = await sealer.sealXWing(pair.publicKeyBytes, plaintext, context);
      expect(await opener.openXWing(pair, sealed, context)).toEqual(plaintext);
      const enc = sealed.enc.map((byte, at) => (at === 1119 ? byte ^ 1 : byte));
      await expect(opener.openXWing(pair, { ...sealed, enc }, context)).rejects.toThrow();
      await expect(opener.openXWing(other, sealed, context)).rejects.toThrow();
      await expect(opener.openXWing(pair, sealed, { ...context, aad: new Uint8Array() })).rejects.toThrow();
    }
  });
});

it("brings no SHA-2 in JavaScript", () => {
  expect(files.filter((file) => file.includes("@hpke/common/")).length).toBeGreaterThan(5);
  expect(files.filter((file) => /\/(hash\/sha2|hash\/md|hkdfSha256)\.js$/.test(file))).toEqual([]);
});

const resolveFrom = (path: string, name: string): string => createRequire(path).resolve(name);

it.each([
  ["@hpke/common", "@hpke/hybridkem-x-wing"],
  ["@hpke/common", "@hpke/core"],
  ["@hpke/common", "@hpke/dhkem-x25519"],
  ["@hpke/dhkem-x25519", "@hpke/hybridkem-x-wing"],
  ["mlkem", "@hpke/hybridkem-x-wing"],
])("the SDK's %s is that of %s", (name, user) => {
  const ours = import.meta.filename;
  expect(resolveFrom(ours, name)).toBe(resolveFrom(resolveFrom(ours, user), name));
});
