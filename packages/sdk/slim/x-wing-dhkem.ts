/** Stands for all of @hpke/dhkem-x25519: its X25519, which X-Wing uses, and an HKDF on WebCrypto alone, which X-Wing names. */
export { HkdfSha256 } from "@hpke/core";
export { X25519 } from "@hpke/dhkem-x25519";
