import type { HttpStandIn, ReceivedRequest } from "./http-stand-in.ts";
import type { Json } from "./rest-client.ts";

export const webhookSecret = "webhook-secret";

/** Settings of a server that posts to the stand-ins, with short pauses between tries. */
export function webhookEnv(
  standIns: HttpStandIn[],
  env: Record<string, string> = {},
): Record<string, string> {
  const endpoints = standIns.map(({ url }) => ({ url: `${url}/hook`, secret: webhookSecret }));
  return {
    WEBHOOK_ENABLED: "true",
    CHAT_WEBHOOK_ENDPOINTS_JSON: JSON.stringify(endpoints),
    WEBHOOK_TIMEOUT_SECS: "1",
    WEBHOOK_RETRY_DELAY_SECS: "1",
    ...env,
  };
}

export interface ReceivedEvent {
  id: string;
  name: string;
  data: Json;
}

export function readEvent({ headers, body }: ReceivedRequest): ReceivedEvent {
  return {
    id: String(headers["x-webhook-id"]),
    name: String(headers["x-webhook-event"]),
    data: JSON.parse(body.toString()) as Json,
  };
}

/** The ids of the messages that `chat.message.created` told of, each at its first coming. */
export function createdIds(received: ReceivedRequest[]): unknown[] {
  const events = received.map(readEvent).filter(({ name }) => name === "chat.message.created");
  return [...new Set(events.map(({ data }) => data["message_id"]))];
}
