/**
 * `@sotto/sdk/webhooks`: tells whether a webhook came from your Sotto server. Stateless, WebCrypto
 * only: Node 20 and later, workers, browsers. Format: docs/PROTOCOL.md, section 9.
 */

/** The webhook as it was checked. */
export interface Webhook {
  /** The same at every try: what you have seen before, drop. null with `version: "v1"`, which does not sign it. */
  id: string | null;
  /** For example `chat.message.created`. */
  event: string;
  /** Unix seconds of this try. */
  ts: number;
  /** The parsed body. */
  data: unknown;
}

/** `stale`: signed rightly, but the time is off by more than `toleranceSecs`; it may be a replay. */
export type WebhookVerdict =
  | { ok: true; webhook: Webhook }
  | { ok: false; reason: "incomplete" | "signature" | "stale" | "body" };

/** A webhook's request, and what it is checked against. */
export interface WebhookCheck {
  /** Of the request: `Headers`, or Node's `request.headers`. */
  headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The body as it came, before anything parsed it. */
  rawBody: Uint8Array | string;
  /** The endpoint's secret in `CHAT_WEBHOOK_ENDPOINTS_JSON`. */
  secret: string;
  /** How far the time may be off, either way, in seconds; 300 unless told. */
  toleranceSecs?: number;
  /** Which signature counts: `X-Webhook-Sign-V2`, unless you need the original `X-Webhook-Sign`. */
  version?: "v2" | "v1";
  /** The present time in milliseconds; `Date.now()` unless told. */
  now?: number;
}

/**
 * Checks signature and time of a webhook, in constant time. Never throws for what came over the wire.
 *
 * @example
 * ```ts
 * import { verifyWebhook } from "@sotto/sdk/webhooks";
 *
 * async function receive(request: Request, secret: string, seen: Set<string>): Promise<Response> {
 *   const rawBody = new Uint8Array(await request.arrayBuffer());
 *   const verdict = await verifyWebhook({ headers: request.headers, rawBody, secret });
 *   if (!verdict.ok) return new Response(verdict.reason, { status: 403 });
 *   const { id, event, data } = verdict.webhook;
 *   if (id !== null && !seen.has(id)) console.log(event, data);
 *   if (id !== null) seen.add(id);
 *   return new Response("ok");
 * }
 * ```
 */
export async function verifyWebhook(check: WebhookCheck): Promise<WebhookVerdict> {
  const { secret, toleranceSecs = 300, version = "v2", now = Date.now() } = check;
  const header = (name: string): string | undefined => readHeader(check.headers, name);
  const [event, ts] = [header("x-webhook-event"), header("x-webhook-ts")];
  const id = version === "v2" ? header("x-webhook-id") : "";
  const signature = parseHex(header(version === "v2" ? "x-webhook-sign-v2" : "x-webhook-sign"));
  if (!event || !ts || id === undefined || !signature || !/^\d{1,15}$/.test(ts)) {
    return { ok: false, reason: "incomplete" };
  }
  const prefix = version === "v2" ? `v2\n${id}\n${ts}\n${event}\n` : `${ts}${event}`;
  const body = typeof check.rawBody === "string" ? encoder.encode(check.rawBody) : check.rawBody;
  if (!(await isSigned({ secret, signature, signed: join(encoder.encode(prefix), body) }))) {
    return { ok: false, reason: "signature" };
  }
  if (Math.abs(now / 1000 - Number(ts)) > toleranceSecs) return { ok: false, reason: "stale" };
  try {
    const data: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    return { ok: true, webhook: { id: version === "v2" ? id : null, event, ts: Number(ts), data } };
  } catch {
    return { ok: false, reason: "body" };
  }
}

const encoder = new TextEncoder();
const signatureBytes = 32;

function readHeader(headers: WebhookCheck["headers"], name: string): string | undefined {
  if (headers instanceof Headers) return headers.get(name) ?? undefined;
  const value = Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
  return typeof value === "string" ? value : undefined;
}

function parseHex(value: string | undefined): Uint8Array<ArrayBuffer> | undefined {
  if (value === undefined || !/^[0-9a-f]{64}$/i.test(value)) return undefined;
  return Uint8Array.from({ length: signatureBytes }, (_, i) =>
    Number.parseInt(value.slice(2 * i, 2 * i + 2), 16),
  );
}

function join(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}

/** WebCrypto's `verify` compares in constant time. An empty secret signs nothing. */
async function isSigned(check: {
  secret: string;
  signature: Uint8Array<ArrayBuffer>;
  signed: Uint8Array<ArrayBuffer>;
}): Promise<boolean> {
  if (check.secret === "") return false;
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", encoder.encode(check.secret), algorithm, false, [
    "verify",
  ]);
  return crypto.subtle.verify("HMAC", key, check.signature, check.signed);
}
