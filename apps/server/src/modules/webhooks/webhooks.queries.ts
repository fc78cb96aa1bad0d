import type { ConversationId } from "@sotto/schema";
import { sql } from "kysely";
import type { Db, Tx } from "../../db/db.ts";
import { deleteOldest, type Expiry } from "../../db/delete-oldest.ts";
import type { EndpointKey } from "./webhooks.tables.ts";

export interface Stream {
  conversationId: ConversationId;
  endpoint: EndpointKey;
}

export interface NewEvent extends Stream {
  id: string;
  event: string;
  body: string;
  at: Date;
  retryUntil: Date;
}

/**
 * Stores events under the next numbers of their streams, whose rows stay locked until the
 * transaction ends; they are locked in order. Events of one stream keep the order of the list.
 */
export async function insertEvents(tx: Tx, events: NewEvent[]): Promise<void> {
  const of = <Key extends keyof NewEvent>(key: Key): NewEvent[Key][] => events.map((event) => event[key]);
  await sql`
    with given as (
      select *, row_number() over (partition by conversation_id, endpoint order by ordinal) as n
      from unnest(
        ${of("conversationId")}::uuid[], ${of("endpoint")}::text[], ${of("id")}::uuid[], ${of("event")}::text[],
        ${of("body")}::text[], ${of("at")}::timestamptz[], ${of("retryUntil")}::timestamptz[]
      ) with ordinality as g(conversation_id, endpoint, id, event, body, at, retry_until, ordinal)
    ), numbered as (
      insert into webhook_streams (conversation_id, endpoint, last_seq)
      select conversation_id, endpoint, count(*) from given group by 1, 2 order by 1, 2
      on conflict (conversation_id, endpoint)
        do update set last_seq = webhook_streams.last_seq + excluded.last_seq
      returning conversation_id, endpoint, last_seq
    )
    insert into webhook_events (conversation_id, endpoint, seq, id, event, body, created_at, retry_until)
    select g.conversation_id, g.endpoint,
      s.last_seq - (select count(*) from given o where (o.conversation_id, o.endpoint) = (g.conversation_id, g.endpoint)) + g.n,
      g.id, g.event, g.body, g.at, g.retry_until
    from given g join numbered s using (conversation_id, endpoint)
  `.execute(tx);
}

/** Waits for the transactions that are storing events of the stream. */
export function lockStream(tx: Tx, stream: Stream) {
  return tx
    .selectFrom("webhook_streams")
    .select("last_seq")
    .where("conversation_id", "=", stream.conversationId)
    .where("endpoint", "=", stream.endpoint)
    .forUpdate()
    .executeTakeFirst();
}

export function listWaiting(db: Db | Tx, stream: Stream, limit: number) {
  return db
    .selectFrom("webhook_events")
    .select(["seq", "id", "event", "body", "retry_until"])
    .where("conversation_id", "=", stream.conversationId)
    .where("endpoint", "=", stream.endpoint)
    .where("dead_at", "is", null)
    .orderBy("seq")
    .limit(limit)
    .execute();
}

export function deleteEvent(db: Db, stream: Stream, seq: number) {
  return db
    .deleteFrom("webhook_events")
    .where("conversation_id", "=", stream.conversationId)
    .where("endpoint", "=", stream.endpoint)
    .where("seq", "=", seq)
    .execute();
}

export function buryEvent(db: Db, stream: Stream, { seq, at }: { seq: number; at: Date }) {
  return db
    .updateTable("webhook_events")
    .set({ dead_at: at })
    .where("conversation_id", "=", stream.conversationId)
    .where("endpoint", "=", stream.endpoint)
    .where("seq", "=", seq)
    .execute();
}

/** Streams with events to be sent, for a start after their jobs were lost. */
export async function listWaitingStreams(db: Db, limit: number): Promise<Stream[]> {
  const { rows } = await sql<Stream>`
    select distinct conversation_id as "conversationId", endpoint from webhook_events
    where dead_at is null limit ${limit}
  `.execute(db);
  return rows;
}

export function countByEndpoint(db: Db) {
  return db
    .selectFrom("webhook_events")
    .select(({ fn }) => [
      "endpoint",
      fn.countAll<number>().as("stored"),
      fn.count<number>("dead_at").as("dead"),
      fn.min("created_at").as("oldest"),
    ])
    .groupBy("endpoint")
    .orderBy("endpoint")
    .execute();
}

export function listDead(db: Db, { endpoint, limit }: { endpoint: EndpointKey | undefined; limit: number }) {
  let query = db
    .selectFrom("webhook_events")
    .select(["endpoint", "conversation_id", "seq", "id", "event", "created_at", "dead_at"])
    .where("dead_at", "is not", null);
  if (endpoint) query = query.where("endpoint", "=", endpoint);
  return query.orderBy("dead_at").orderBy("conversation_id").orderBy("seq").limit(limit).execute();
}

/**
 * Lets given-up events be sent again, the oldest first; gives the stream of each. The streams' rows
 * are locked first, in order, as those who store do.
 */
export async function reviveEvents(
  tx: Tx,
  revival: { endpoints: EndpointKey[]; retryUntil: Date; limit: number },
): Promise<Stream[]> {
  const { rows: chosen } = await sql<{ conversation_id: ConversationId; endpoint: EndpointKey; seq: number }>`
    select conversation_id, endpoint, seq from webhook_events
    where dead_at is not null and endpoint = any(${revival.endpoints}::text[])
    order by dead_at, conversation_id, seq limit ${revival.limit}
  `.execute(tx);
  const conversations = chosen.map((event) => event.conversation_id);
  const endpoints = chosen.map((event) => event.endpoint);
  await sql`
    select from webhook_streams
    where (conversation_id, endpoint) in (select * from unnest(${conversations}::uuid[], ${endpoints}::text[]))
    order by conversation_id, endpoint for update
  `.execute(tx);
  const { rows } = await sql<Stream>`
    update webhook_events e set dead_at = null, retry_until = ${revival.retryUntil}
    from unnest(${conversations}::uuid[], ${endpoints}::text[], ${chosen.map(({ seq }) => seq)}::bigint[])
      as c(conversation_id, endpoint, seq)
    where (e.conversation_id, e.endpoint, e.seq) = (c.conversation_id, c.endpoint, c.seq) and e.dead_at is not null
    returning e.conversation_id as "conversationId", e.endpoint
  `.execute(tx);
  return rows;
}

/** Forgets what was given up before a time. */
export function deleteDead(tx: Tx, expiry: Expiry): Promise<number> {
  return deleteOldest(tx, { table: "webhook_events", column: "dead_at" }, expiry);
}
