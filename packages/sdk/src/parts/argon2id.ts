/** What the SDK uses of hash-wasm, for `loadArgon2id`: a bundler drops the rest. */
export { argon2id } from "hash-wasm";
