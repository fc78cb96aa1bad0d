import { createECDH } from "node:crypto";
import { encrypt } from "http_ece";
import { importJWK, SignJWT } from "jose";
import { z } from "zod";
import type { Config } from "../../config.ts";
import { ForbiddenAddress, type Post } from "../../egress/post.ts";
import { pushTimeoutMs, requireSuccess, type PushProvider } from "./push-provider.ts";

/** How long the push service keeps a push for a device that is away. */
const ttlSecs = 86_400;

/** What `PushSubscription.toJSON()` gives in a browser; the device publishes it as its push token. */
const subscriptionSchema = z.object({
  endpoint: z.url(),
  keys: z.object({ p256dh: z.string().min(1), auth: z.string().min(1) }),
});

/** Web Push: RFC 8030, encrypted for the browser (RFC 8291), signed by VAPID (RFC 8292). */
export function createWebPush(config: Config, post: Post): PushProvider {
  const { VAPID_PUBLIC_KEY: publicKey = "", VAPID_PRIVATE_KEY: privateKey = "", VAPID_SUBJECT = "" } = config;
  const sign = createVapid({ publicKey, privateKey, subject: VAPID_SUBJECT });
  return async (token, { title, body, data, collapseKey }) => {
    const sealed = sealFor(token, JSON.stringify({ title, body, data }));
    if (!sealed) return "dead";
    const { endpoint, ciphertext } = sealed;
    try {
      const { status } = await post(endpoint, {
        headers: {
          authorization: `vapid t=${await sign(new URL(endpoint).origin)}, k=${publicKey}`,
          "content-type": "application/octet-stream",
          "content-encoding": "aes128gcm",
          ttl: String(ttlSecs),
          urgency: "high",
          // At most 32 characters of base64url.
          topic: collapseKey.replaceAll("-", "").slice(0, 32),
        },
        body: ciphertext,
        timeoutMs: pushTimeoutMs,
      });
      if (status === 404 || status === 410) return "dead";
      requireSuccess(status);
      return "sent";
    } catch (error) {
      // A client named an address that is none of a push service.
      if (error instanceof ForbiddenAddress) return "dead";
      throw error;
    }
  };
}

/** Undefined for what is no subscription, or has keys that cannot be used. */
function sealFor(token: string, plaintext: string): { endpoint: string; ciphertext: Buffer } | undefined {
  try {
    const { endpoint, keys } = subscriptionSchema.parse(JSON.parse(token));
    const ephemeral = createECDH("prime256v1");
    ephemeral.generateKeys();
    const ciphertext = encrypt(Buffer.from(plaintext), {
      version: "aes128gcm",
      dh: keys.p256dh,
      authSecret: keys.auth,
      privateKey: ephemeral,
    });
    return { endpoint, ciphertext };
  } catch {
    return undefined;
  }
}

function createVapid(keys: { publicKey: string; privateKey: string; subject: string }) {
  const point = Buffer.from(keys.publicKey, "base64url");
  const [x, y] = [point.subarray(1, 33).toString("base64url"), point.subarray(33).toString("base64url")];
  const key = importJWK({ kty: "EC", crv: "P-256", x, y, d: keys.privateKey }, "ES256");
  // Awaited at the first push; until then nobody listens for its failure.
  key.catch(() => {});
  return async (audience: string): Promise<string> =>
    new SignJWT()
      .setProtectedHeader({ alg: "ES256", typ: "JWT" })
      .setAudience(audience)
      .setSubject(keys.subject)
      .setExpirationTime("12h")
      .sign(await key);
}
