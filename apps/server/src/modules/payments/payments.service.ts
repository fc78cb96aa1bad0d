import { timingSafeEqual } from "node:crypto";
import type { Tx } from "../../db/db.ts";
import type { Expiry } from "../../db/delete-oldest.ts";
import { AppError } from "../../errors.ts";
import type { UploadBody, UploadCall } from "../../pipeline/call.ts";
import { deleteSignatures, insertSignature } from "./payments.queries.ts";
import { signPayment } from "./signature.ts";

const maxBodyBytes = 1_048_576;
/** How far the webhook's time may be off, either way. */
const windowSecs = 300;

interface SignedHeaders {
  event?: string | undefined;
  ts?: string | undefined;
  sign?: string | undefined;
}

/**
 * Acknowledges a webhook of the payments service. Whatever is wrong with it is the same refusal,
 * `WEBHOOK_SIGNATURE_INVALID`: nothing is told of what was missing.
 */
export async function receiveWebhook(call: UploadCall<null>, headers: SignedHeaders) {
  const { app } = call;
  const { event, ts, sign } = headers;
  const secret = app.config.PAYMENTS_WEBHOOK_SECRET;
  const at = app.now();
  if (!secret || !event || !ts || !sign || !isRecent(ts, at)) throw new AppError("WEBHOOK_SIGNATURE_INVALID");
  const expected = signPayment(secret, { ts, event, body: await readBody(call.body) });
  const given = /^[0-9a-f]{64}$/i.test(sign) ? Buffer.from(sign, "hex") : Buffer.alloc(expected.length);
  const isGood = timingSafeEqual(given, expected) && (await insertSignature(app.db, expected, at));
  if (!isGood) throw new AppError("WEBHOOK_SIGNATURE_INVALID");
  return { detail: "ok" as const };
}

function isRecent(ts: string, at: Date): boolean {
  return /^\d{1,15}$/.test(ts) && Math.abs(at.getTime() / 1000 - Number(ts)) <= windowSecs;
}

async function readBody(body: UploadBody): Promise<Buffer> {
  if ((body.announcedBytes ?? 0) > maxBodyBytes) throw new AppError("PAYLOAD_TOO_LARGE");
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBodyBytes) throw new AppError("PAYLOAD_TOO_LARGE");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Forgets signatures that are too old to be good again: a time may also lie ahead by the window. */
export function forgetWebhooks(tx: Tx, { before, limit }: Expiry): Promise<number> {
  return deleteSignatures(tx, { before: new Date(before.getTime() - 3 * windowSecs * 1000), limit });
}
