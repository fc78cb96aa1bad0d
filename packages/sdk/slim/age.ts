import type { Slim } from "./build.ts";

/** `#age` for browsers: without the recipients that the SDK has no use for, which are three quarters of age's size. */
export const slimAge: Slim = {
  from: "age-encryption",
  module: "parts/age",
  substitutes: new Map([
    ["@noble/curves/ed25519.js", "age-x25519.ts"],
    ["@noble/curves/nist.js", "age-absent.ts"],
    ["@noble/hashes/scrypt.js", "age-absent.ts"],
    ["@noble/post-quantum/hybrid.js", "age-absent.ts"],
  ]),
  dependencies: ["@noble/ciphers", "@noble/hashes", "@scure/base"],
};
