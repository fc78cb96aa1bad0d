/**
 * Where cryptography is called: each primitive and each library in the modules that are named here and in no other, so
 * that there is one place to read for every key, nonce and cipher.
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../../../..");
const sdk = "packages/sdk/src";
/** What is sealed and opened at a user's; the server has no key of theirs. */
const places = [sdk, "packages/schema/src", "apps/bot", "apps/chat"];
const isTest = /\.test\.tsx?$|fixtures\.ts$|conformance\.ts$|node_modules|\/dist\//;

const sources = places.flatMap((place) =>
  globSync("**/*.{ts,tsx}", { cwd: join(root, place) })
    .map((name) => `${place}/${name.replaceAll("\\", "/")}`)
    .filter((name) => !isTest.test(name))
    .map((name) => ({ name, code: withoutComments(readFileSync(join(root, name), "utf8")) })),
);

function withoutComments(code: string): string {
  return code.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
}

const filesWith = (pattern: RegExp): string[] =>
  sources.flatMap(({ name, code }) => (pattern.test(code) ? [name] : []));
const inSdk = (...names: string[]): string[] => names.map((name) => `${sdk}/${name}`);

/** An import of a library, or of something in it, whether static or not. */
const imports = (library: string): RegExp =>
  new RegExp(String.raw`(?:from|import\()\s*"${library}(?:/[^"]*)?"`);

test("the sources are seen", () => {
  expect(sources.length).toBeGreaterThan(150);
  for (const place of places) expect(sources.some(({ name }) => name.startsWith(place))).toBe(true);
  expect(withoutComments('/** subtle */\n  // subtle\nconst a = "b"; // no')).toBe(
    '\n\nconst a = "b"; // no',
  );
});

test.each([
  // `webhooks.ts` stands apart, and verifies an HMAC alone.
  ["WebCrypto", /\bsubtle\b/, inSdk("crypto/primitives.ts", "webhooks.ts")],
  // Of the two, `retry.ts` jitters with it.
  ["random bytes", /\bgetRandomValues\b/, inSdk("api/retry.ts", "crypto/primitives.ts")],
  ["Math.random", /\bMath\b[\s\S]{0,20}\brandom\b/, []],
  [
    "AES-256-GCM",
    /\baesGcm(?:Seal|Open)\b/,
    inSdk(
      "backup/recovery-key.ts",
      "crypto/content.ts",
      "crypto/primitives.ts",
      "storage/encrypted-store.ts",
      "storage/store-key.ts",
    ),
  ],
])("only these modules use %s", (_, pattern, modules) => {
  expect(filesWith(pattern).toSorted()).toEqual(modules);
});

test.each([
  ["node:crypto", []],
  ["@hpke", inSdk("crypto/hpke.ts", "crypto/x-wing.ts")],
  ["hpke", inSdk("crypto/x-wing.node.ts")],
  ["#x-wing", inSdk("crypto/hpke.ts", "crypto/kems.ts")],
  ["mlkem", []],
  ["@noble", inSdk("parts/age.ts")],
  ["@scure", []],
  ["age-encryption", inSdk("parts/age.ts")],
  ["#age", inSdk("parts/load-part.ts")],
  ["hash-wasm", inSdk("parts/argon2id.ts")],
])("only these modules import %s", (library, modules) => {
  expect(filesWith(imports(library)).toSorted()).toEqual(modules);
});
