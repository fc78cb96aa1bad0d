import { createHmac, randomUUID } from "node:crypto";
import { ok, type Asked, type PageRoute } from "./page.ts";

/** What the test's server is started with. */
export const paymentsSecret = "the-secret-of-payments-in-tests";

interface Delivery {
  event?: string;
  ts?: string;
  body?: string;
  secret?: string;
  without?: string;
  sign?: (hex: string) => string;
}

const nowSeconds = (): number => Math.floor(Date.now() / 1000);

/** A delivery as the payments service signs it: over the raw bytes. */
function delivery(given: Delivery = {}): Asked {
  const event = given.event ?? "requests.accept";
  const ts = given.ts ?? String(nowSeconds());
  const body = given.body ?? JSON.stringify({ type: event, data: { id: randomUUID() } });
  const hex = createHmac("sha256", given.secret ?? paymentsSecret)
    .update(ts + event + body)
    .digest("hex");
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "x-webhook-event": event,
    "x-webhook-ts": ts,
    "x-webhook-sign": given.sign?.(hex) ?? hex,
  };
  if (given.without) delete headers[given.without];
  return { body: Buffer.from(body), headers };
}

const bad: [why: string, given: () => Delivery][] = [
  ["another secret", () => ({ secret: "another" })],
  ["no event", () => ({ without: "x-webhook-event" })],
  ["no time", () => ({ without: "x-webhook-ts" })],
  ["no signature", () => ({ without: "x-webhook-sign" })],
  ["half a signature", () => ({ sign: (hex) => hex.slice(0, 32) })],
  ["a signature that is no hex", () => ({ sign: () => "é".repeat(2) })],
  ["a time that is none", () => ({ ts: "now" })],
  ["an old time", () => ({ ts: String(nowSeconds() - 302) })],
  ["a time to come", () => ({ ts: String(nowSeconds() + 302) })],
];

export const paymentsRoutes: PageRoute[] = [
  {
    route: "POST /payments/webhooks",
    auth: "none",
    good: () => delivery(),
    answer: () => ok,
    cases: [
      { why: "a body that is no JSON", ask: () => delivery({ body: "\u0000not json" }), answer: () => ok },
      { why: "an empty body", ask: () => delivery({ body: "", event: randomUUID() }), answer: () => ok },
    ],
    refusals: bad.map(([why, given]) => ({
      status: 403,
      detail: "Invalid signature",
      why,
      ask: () => delivery(given()),
    })),
    again: { status: 403, detail: "Invalid signature" },
  },
];
