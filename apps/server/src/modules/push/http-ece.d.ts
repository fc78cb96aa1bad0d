/** Of `http_ece`, which comes without types, what is used. */
declare module "http_ece" {
  import type { ECDH } from "node:crypto";

  /** Keys are base64url. */
  export function encrypt(
    plaintext: Buffer,
    options: { version: "aes128gcm"; dh: string; authSecret: string; privateKey: ECDH },
  ): Buffer;
}
