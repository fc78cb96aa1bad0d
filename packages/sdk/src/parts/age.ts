/** What the SDK uses of age, for `loadAge`: a bundler drops the rest. */
export { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
