import { createHmac } from "node:crypto";

export interface SignedWebhook {
  id: string;
  event: string;
  body: string;
  /** Unix seconds of this try. */
  ts: number;
}

/**
 * The headers of a webhook (docs/PROTOCOL.md, "Events out"). `X-Webhook-Sign` runs its three parts
 * together, as receivers know it; V2 also covers the id and sets line breaks between the parts,
 * which none of the first ones can hold.
 */
export function signWebhook(secret: string, { id, event, body, ts }: SignedWebhook): Record<string, string> {
  const hmac = (text: string): string => createHmac("sha256", secret).update(text).digest("hex");
  return {
    "X-Webhook-Id": id,
    "X-Webhook-Event": event,
    "X-Webhook-Ts": String(ts),
    "X-Webhook-Sign": hmac(`${ts}${event}${body}`),
    "X-Webhook-Sign-V2": hmac(["v2", id, ts, event, body].join("\n")),
  };
}
