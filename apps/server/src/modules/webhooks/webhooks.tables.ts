import type { ConversationId } from "@sotto/schema";

/** Names a configured endpoint: a hash of its URL. */
export type EndpointKey = string & { readonly brand: "EndpointKey" };

interface WebhookStreamTable {
  conversation_id: ConversationId;
  endpoint: EndpointKey;
  /** The number of the stream's last event; its row's lock orders what is stored and what is done. */
  last_seq: number;
}

interface WebhookEventTable {
  conversation_id: ConversationId;
  endpoint: EndpointKey;
  seq: number;
  /** The same for every endpoint. */
  id: string;
  event: string;
  body: string;
  created_at: Date;
  /** A failed try after this is the last one. */
  retry_until: Date;
  /** Given up; waits for a redrive. */
  dead_at: Date | null;
}

export interface WebhookTables {
  webhook_streams: WebhookStreamTable;
  webhook_events: WebhookEventTable;
}
