import { createHmac } from "node:crypto";
import type { Config } from "../../config.ts";
import { postOutside } from "./outgoing-post.ts";

/**
 * A signed POST to the operator's SMS gateway: JSON `{phone, code}`, with `X-Sotto-Ts` (Unix
 * seconds) and `X-Sotto-Sign` = hex HMAC-SHA256(OTP_HTTP_SECRET, ts + "." + body).
 */
export async function postToGateway(
  config: Config,
  message: { phone: string; code: string; at: Date },
): Promise<void> {
  const { OTP_HTTP_URL: url, OTP_HTTP_SECRET: secret } = config;
  if (!url || !secret) throw new Error("OTP_HTTP_URL and OTP_HTTP_SECRET are not set");
  const body = JSON.stringify({ phone: message.phone, code: message.code });
  const ts = String(Math.floor(message.at.getTime() / 1000));
  await postOutside(url, {
    headers: {
      "content-type": "application/json",
      "x-sotto-ts": ts,
      "x-sotto-sign": createHmac("sha256", secret).update(`${ts}.${body}`).digest("hex"),
    },
    body,
  });
}
