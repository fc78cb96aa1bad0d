import type { Slim } from "./build.ts";

/** `#x-wing` for browsers: without a SHA-256 in JavaScript, which nothing calls. */
export const slimXWing: Slim = {
  from: "@hpke/hybridkem-x-wing",
  module: "crypto/x-wing",
  substitutes: new Map([["@hpke/dhkem-x25519", "x-wing-dhkem.ts"]]),
  dependencies: ["@hpke/common", "@hpke/core", "@hpke/dhkem-x25519", "mlkem"],
};
