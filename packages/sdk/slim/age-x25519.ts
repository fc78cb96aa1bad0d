/**
 * Stands for noble's X25519, to which age turns where WebCrypto has none. The SDK needs it there for its own keys, so
 * that this is not met by whoever got as far as a file.
 */
function refuse(): never {
  throw new Error("this browser has no X25519 in WebCrypto");
}

export const x25519 = {
  /** The base point's u coordinate (RFC 7748 §4.1). */
  GuBytes: Uint8Array.of(9, ...new Uint8Array(31)),
  scalarMult: refuse,
  scalarMultBase: refuse,
};
