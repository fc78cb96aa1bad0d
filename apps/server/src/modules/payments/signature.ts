import { createHmac } from "node:crypto";

/** How the payments service signs: HMAC-SHA256(secret, ts + event + body) over the raw bytes. */
export function signPayment(secret: string, signed: { ts: string; event: string; body: Uint8Array }): Buffer {
  return createHmac("sha256", secret).update(`${signed.ts}${signed.event}`).update(signed.body).digest();
}
