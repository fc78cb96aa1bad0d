import { createHash } from "node:crypto";
import type { Config } from "../../config.ts";
import type { EndpointKey } from "./webhooks.tables.ts";

export interface Endpoint {
  key: EndpointKey;
  url: string;
  secret: string;
  /** Whether the endpoint asked for events of this name. */
  wants: (event: string) => boolean;
}

/** The configured endpoints by key; none while webhooks are off. */
export function readEndpoints(config: Config): Map<EndpointKey, Endpoint> {
  if (!config.WEBHOOK_ENABLED) return new Map();
  return new Map(
    config.CHAT_WEBHOOK_ENDPOINTS_JSON.map(({ url, secret, events }) => {
      const key = endpointKey(url);
      return [key, { key, url, secret, wants: (event) => !events || events.includes(event) }];
    }),
  );
}

export function endpointKey(url: string): EndpointKey {
  return createHash("sha256").update(url).digest("hex").slice(0, 16) as EndpointKey;
}
