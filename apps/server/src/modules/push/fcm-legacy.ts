import { z } from "zod";
import type { Config } from "../../config.ts";
import type { Post } from "../../egress/post.ts";
import {
  PushDelayed,
  PushRefused,
  pushTimeoutMs,
  requireSuccess,
  type PushProvider,
} from "./push-provider.ts";

const answerSchema = z.object({ results: z.array(z.object({ error: z.string().optional() })).optional() });
const deadErrors = new Set(["NotRegistered", "InvalidRegistration"]);
const passingErrors = new Set(["Unavailable", "InternalServerError", "DeviceMessageRateExceeded"]);

/** FCM's legacy form, which Google has ended and gateways still speak: one key, `{to, notification, data}`. */
export function createLegacyFcm(config: Config, post: Post): PushProvider {
  const url = `${config.FCM_BASE_URL.replace(/\/$/, "")}/fcm/send`;
  return async (token, { title, body, data, collapseKey }) => {
    const { status, text } = await post(url, {
      headers: { "content-type": "application/json", authorization: `key=${config.FCM_SERVER_KEY ?? ""}` },
      body: JSON.stringify({ to: token, notification: { title, body }, data, collapse_key: collapseKey }),
      timeoutMs: pushTimeoutMs,
    });
    requireSuccess(status);
    const error = readError(text);
    if (error === undefined) return "sent";
    if (deadErrors.has(error)) return "dead";
    throw new (passingErrors.has(error) ? PushDelayed : PushRefused)(
      `FCM refused with ${error.slice(0, 64)}`,
    );
  };
}

/** Such an answer is 200 also when the one push in it was refused. */
function readError(text: string): string | undefined {
  try {
    return answerSchema.parse(JSON.parse(text)).results?.find(({ error }) => error !== undefined)?.error;
  } catch {
    return undefined;
  }
}
