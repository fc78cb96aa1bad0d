import { createHmac } from "node:crypto";
import type { Config } from "../../config.ts";

const timeoutMs = 5_000;

/** Brings a code to a phone. Rejects when it could not be handed over. */
export interface OtpSender {
  /** The code that everybody knows, in dev; undefined: a random one is made. */
  fixedCode: string | undefined;
  send(phone: string, code: string): Promise<void>;
}

export function createOtpSender(config: Config): OtpSender {
  if (config.OTP_MODE === "dev") return { fixedCode: "123456", send: async () => {} };
  return { fixedCode: undefined, send: (phone, code) => postToGateway(config, phone, code) };
}

/**
 * A signed POST to the operator's SMS gateway: JSON `{phone, code}`, with `X-Sotto-Ts` (Unix
 * seconds) and `X-Sotto-Sign` = hex HMAC-SHA256(OTP_HTTP_SECRET, ts + "." + body).
 */
async function postToGateway(config: Config, phone: string, code: string): Promise<void> {
  const { OTP_HTTP_URL: url, OTP_HTTP_SECRET: secret } = config;
  if (!url || !secret) throw new Error("OTP_HTTP_URL and OTP_HTTP_SECRET are not set");
  const body = JSON.stringify({ phone, code });
  const ts = String(Math.floor(Date.now() / 1000));
  const response = await fetch(url, {
    method: "POST",
    redirect: "error",
    signal: AbortSignal.timeout(timeoutMs),
    headers: {
      "content-type": "application/json",
      "x-sotto-ts": ts,
      "x-sotto-sign": createHmac("sha256", secret).update(`${ts}.${body}`).digest("hex"),
    },
    body,
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`The SMS gateway answered ${response.status}`);
}
