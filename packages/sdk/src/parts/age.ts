/** What files and backups need, for `loadAge`: age, and a SHA-256 of what comes piece by piece, which WebCrypto has not. */
export { sha256 } from "@noble/hashes/sha2.js";
export { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
