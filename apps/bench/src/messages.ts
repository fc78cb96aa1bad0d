import { bulkFill } from "../../server/test/bulk-fill.ts";
import { deviceId, runSql, sqlId } from "./people.ts";

interface Messages {
  /** Of those that `fillPeople` made, from the first on. */
  pairs: number;
  messagesEach: number;
  /** All but so many of the last of each are delivered to both; by default nothing is. */
  undelivered?: number;
}

/** A message of 256 characters every second, of the two in turn, as the server would have stored them. */
export async function fillMessages(url: string, messages: Messages): Promise<void> {
  const { pairs, messagesEach, undelivered } = messages;
  const at = `timestamptz '2026-01-01' + s * interval '1 second'`;
  const delivered = messagesEach - (undelivered ?? messagesEach);
  const eachPair = `generate_series(0, ${pairs - 1}) p`;
  const statements = [
    `insert into messages (conversation_id, seq, id, sender_user_id, sender_device_id, dedupe_key, sent_at, ciphertext)
      select ${sqlId(2, "p")}, s, ${sqlId(4, `p::bigint * ${messagesEach} + s`)}, ${sqlId(0, "2 * p + s % 2")},
        '${deviceId}', gen_random_uuid(), ${at}, rpad(lpad(s::text, 12, '0') || '.', 256, 'x')
      from ${eachPair} cross join generate_series(1, ${messagesEach}) s`,
    `update conversations c set last_seq = ${messagesEach}, last_message_at = t.at, last_entry_at = t.at
      from (select ${sqlId(2, "p")} as id, timestamptz '2026-01-01' + ${messagesEach} * interval '1 second' as at
        from ${eachPair}) t
      where c.id = t.id`,
    ...(delivered > 0
      ? [
          `insert into marks (conversation_id, user_id, kind, through_seq, device_id, at)
            select ${sqlId(2, "p")}, ${sqlId(0, "2 * p + u")}, kind, ${delivered}, '${deviceId}', now()
            from ${eachPair} cross join generate_series(0, 1) u
            cross join unnest(array['delivered', 'read']) kind`,
          `insert into positions (user_id, device_id, log_id, seq)
            select ${sqlId(0, "2 * p + u")}, '${deviceId}', ${sqlId(2, "p")}, ${delivered}
            from ${eachPair} cross join generate_series(0, 1) u on conflict do nothing`,
        ]
      : []),
  ];
  await bulkFill(url, statements);
  await runSql(url, (client) => client.query("checkpoint"));
}
