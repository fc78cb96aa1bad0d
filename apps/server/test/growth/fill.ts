import type { Scene } from "../contract/access/scene.ts";
import { bulkFill } from "../bulk-fill.ts";

/** How many rows the largest tables get; the others follow. */
export interface Size {
  /** In the scene's conversation of two, and as many in its group. */
  inEach: number;
  users: number;
  /** Other conversations of two, with 12 messages each. */
  pairs: number;
  /** Other groups, with 200 messages each. */
  groups: number;
}

/** A million messages. */
export const million: Size = { inEach: 250_000, users: 12_000, pairs: 24_000, groups: 1_060 };

const messagesOfPair = 12;
const messagesOfGroup = 200;
/** So many of the other groups has everybody of the scene. */
const groupsOfScene = 100;

const id = (kind: string, number: string): string => `md5('${kind}' || (${number}))::uuid`;
const range = (count: number, name = "i"): string => `generate_series(1, ${count}) ${name}`;

/**
 * Grows a scene's database as years of use would: the scene's own conversations are long, its people
 * are in many groups, and every table has rows of others. Ids are hashes, so that they lie scattered.
 */
export async function fill(url: string, scene: Scene, size: Size): Promise<void> {
  const cast = Object.values(scene.cast).map((person) => person.id);
  await bulkFill(url, [
    ...fillAccounts(size),
    ...fillConversations(size, cast),
    ...fillLong(scene, size),
    ...fillRest(scene, size, cast),
  ]);
}

function fillAccounts({ users }: Size): string[] {
  const user = id("user", "i");
  return [
    `insert into users (id, phone, created_at) select ${user}, '+1' || (2000000000 + i), now() from ${range(users)}`,
    `insert into account_logs (user_id, last_seq) select ${user}, 10 from ${range(users)}`,
    `insert into account_entries (user_id, seq, at, event)
      select ${user}, s, now() - (10 - s) * interval '2 days', '{"type":"devices.changed"}'
      from ${range(10, "s")}, ${range(users)}`,
    `insert into devices (user_id, device_id, public_key, push_token, created_at, updated_at, last_seen_at)
      select ${user}, d, 'k', 'token', now(), now(), now() - i % 60 * interval '1 day'
      from ${range(users)}, unnest(array['phone', 'desk']) d`,
    `insert into device_lists (user_id, version, list, hash, published_at)
      select ${user}, v, 'x', decode(repeat('00', 32), 'hex'), now() from ${range(users)}, ${range(3, "v")}`,
    `insert into device_handovers (user_id, device_id, from_device_id, body, wrap, created_at)
      select ${user}, 'desk', 'phone', 'b', 'w', now() from ${range(users)}`,
    `insert into sessions (id, user_id, device_id, created_at, expires_at, ended_at, end_reason, changed_at)
      select md5('session' || i || n)::uuid, ${user}, 'phone', now() - n * interval '9 days',
        now() + (40 - n * 15) * interval '1 day', case n when 1 then now() - interval '1 day' end,
        case n when 1 then 'token' end, now() - n * interval '9 days'
      from ${range(4, "n")}, ${range(users)}`,
    `insert into session_devices (session_id, user_id, device_id)
      select md5('session' || i || n)::uuid, ${user}, 'phone' from ${range(4, "n")}, ${range(users)}`,
    `insert into otp_challenges (id, phone, code_hash, created_at, expires_at)
      select gen_random_uuid(), '+1' || (2000000000 + i), 'x', now() - i * interval '1 s', now() + interval '1 min'
      from ${range(users)}`,
    `insert into otp_locks (phone) select '+1' || (2000000000 + i) from ${range(users)}`,
    `insert into registration_pins (user_id, salt, hash, seen_at) select ${user}, 'x', 'x', now() from ${range(users)}`,
    `insert into contact_lookups (user_id, number_hash, asked_at)
      select ${user}, decode(md5(n::text), 'hex'), now() - i * interval '1 s' from ${range(4, "n")}, ${range(users)}`,
    `insert into contacts (user_id, contact_user_id, created_at)
      select ${user}, ${id("user", `(i + n) % ${users} + 1`)}, now() from ${range(3, "n")}, ${range(users)}`,
    `insert into blocks (user_id, blocked_user_id, created_at)
      select ${user}, ${id("user", `(i + 9) % ${users} + 1`)}, now() from ${range(users)}`,
    `insert into idempotency_keys (user_id, key, request_hash, response, created_at)
      select ${user}, 'k' || n, 'x', '{}', now() - i * interval '1 s' from ${range(5, "n")}, ${range(users)}`,
    `insert into payment_webhooks (signature, received_at)
      select decode(md5(i::text), 'hex'), now() - i * interval '1 s' from ${range(users)}`,
  ];
}

function messagesOf(conversation: string, from: string): string {
  return `
    insert into messages (conversation_id, seq, id, sender_user_id, sender_device_id, dedupe_key, sent_at, ciphertext)
    select ${conversation}, s, gen_random_uuid(), ${from}, 'phone', gen_random_uuid(),
      timestamptz '2026-01-01 00:00Z' + s * interval '1 s', repeat('x', 64)`;
}

/** Other conversations; their messages in the order of time, across all of them, as they would arrive. */
function fillConversations({ users, pairs, groups }: Size, cast: string[]): string[] {
  // Each with the ones behind it, in turn.
  const userA = id("user", `i % ${users} + 1`);
  const userB = id("user", `(i + 1 + i / ${users}) % ${users} + 1`);
  const pair = id("pair", "i");
  const group = id("group", "g");
  const member = (n: string): string => id("user", `(g * 20 + ${n}) % ${users} + 1`);
  const castList = `unnest('{${cast.join()}}'::uuid[]) u`;
  return [
    `insert into conversations (id, is_group, user_a, user_b, created_at, last_seq, last_message_at, last_entry_at)
      select ${pair}, false, least(${userA}, ${userB}), greatest(${userA}, ${userB}), now() - interval '1 year',
        ${messagesOfPair}, now() - i * interval '1 min', now() - i * interval '1 min' from ${range(pairs)}`,
    `insert into conversations (id, is_group, name, user_a, user_b, created_at, last_seq, last_message_at, last_entry_at)
      select ${group}, true, 'g', ${member("1")}, ${member("1")}, now() - interval '1 year',
        ${messagesOfGroup}, now() - g * interval '1 min', now() - g * interval '1 min' from ${range(groups, "g")}`,
    `insert into conversation_members (conversation_id, user_id, from_seq, joined_at)
      select ${pair}, u, 0, now() from ${range(pairs)}, unnest(array[${userA}, ${userB}]) u`,
    `insert into conversation_members (conversation_id, user_id, from_seq, joined_at, role)
      select ${group}, ${member("n")}, 0, now(), case n when 1 then 'owner' else 'member' end
      from ${range(groups, "g")}, ${range(20, "n")}`,
    `insert into conversation_members (conversation_id, user_id, from_seq, joined_at)
      select ${group}, u, 0, now() from ${range(groupsOfScene, "g")}, ${castList}`,
    `${messagesOf(pair, `case when s % 2 = 0 then ${userA} else ${userB} end`)} from ${range(messagesOfPair, "s")}, ${range(pairs)}`,
    `${messagesOf(group, member("s % 20 + 1"))} from ${range(messagesOfGroup, "s")}, ${range(groups, "g")}`,
    // Half of the groups are read; of the others a few messages wait.
    `insert into marks (conversation_id, user_id, kind, through_seq, device_id, at)
      select ${group}, u, k, ${messagesOfGroup} - n - case when g % 2 = 0 then 0 else 10 end, 'phone', now()
      from ${range(groupsOfScene, "g")}, ${castList}, unnest(array['delivered', 'read']) k, ${range(20, "n")}`,
    `insert into marks (conversation_id, user_id, kind, through_seq, device_id, at)
      select ${pair}, ${userA}, k, s, 'phone', now()
      from ${range(pairs)}, unnest(array['delivered', 'read']) k, generate_series(4, ${messagesOfPair}, 4) s`,
    `insert into single_marks (conversation_id, user_id, kind, seq, device_id, at)
      select ${pair}, ${userA}, 'read', s, 'desk', now()
      from ${range(pairs)}, generate_series(3, ${messagesOfPair}, 6) s`,
    `insert into positions (user_id, device_id, log_id, seq)
      select u, 'phone', ${pair}, ${messagesOfPair} - 2 from ${range(pairs)}, unnest(array[${userA}, ${userB}]) u`,
    `insert into positions (user_id, device_id, log_id, seq)
      select u, 'phone', ${group}, ${messagesOfGroup} - 2 from ${range(groupsOfScene, "g")}, ${castList}`,
  ];
}

/** The scene's own conversations grow on from where they are. */
function fillLong({ cast, group, direct }: Scene, { inEach }: Size): string[] {
  const grow = (conversation: string, senders: string[]): string[] => [
    `insert into messages (conversation_id, seq, id, sender_user_id, sender_device_id, sent_at, ciphertext)
      select c.id, c.last_seq + s, gen_random_uuid(), (array['${senders.join("','")}'])[s % ${senders.length} + 1]::uuid,
        case when s in (7, 9000) then 'rare' when s % 2 = 0 then 'even' else 'odd' end,
        c.last_entry_at + s * interval '1 ms', repeat('x', 64)
      from conversations c, ${range(inEach, "s")} where c.id = '${conversation}'`,
    `insert into attachments
      (conversation_id, message_seq, id, message_id, seq, blob_id, is_inline, size_bytes, created_at)
      select c.id, c.last_seq + s, gen_random_uuid(), gen_random_uuid(), c.last_seq + s, md5('blob' || s)::uuid, false, 1, now()
      from conversations c, generate_series(${Math.floor(inEach * 0.8)}, ${inEach}) s where c.id = '${conversation}'`,
    `update conversations set last_seq = last_seq + ${inEach},
      last_message_at = last_entry_at + ${inEach} * interval '1 ms',
      last_entry_at = last_entry_at + ${inEach} * interval '1 ms' where id = '${conversation}'`,
  ];
  return [
    ...grow(group, [cast.other.id, cast.owner.id]),
    ...grow(direct, [cast.blocked.id, cast.owner.id]),
    `insert into conversation_members (conversation_id, user_id, from_seq, joined_at)
      select '${group}', ${id("user", "i")}, 1, now() from ${range(900)}`,
    `update conversations set roster_seq = 2 where id = '${group}'`,
    `insert into reactions (conversation_id, message_id, user_id, emoji, id, seq, created_at)
      select conversation_id, id, sender_user_id, '+', gen_random_uuid(), seq, now()
      from messages where conversation_id = '${group}' and seq % 3 = 0`,
    // Devices that have read for long, message by message.
    ...[cast.owner, cast.member, cast.blocked].map(
      (person) => `insert into marks (conversation_id, user_id, kind, through_seq, device_id, at)
        select '${group}', '${person.id}', k, s, 'phone', now()
        from generate_series(10, ${Math.floor(inEach / 10)}) s, unnest(array['delivered', 'read']) k`,
    ),
  ];
}

function fillRest({ group, direct }: Scene, { inEach, pairs }: Size, cast: string[]): string[] {
  const castList = `unnest('{${cast.join()}}'::uuid[]) u`;
  const pair = id("pair", "i");
  return [
    `insert into conversation_entries (conversation_id, seq, at, event)
      select ${pair}, ${messagesOfPair} + s, now(), '{"type":"group.renamed"}' from ${range(3, "s")}, ${range(pairs)}`,
    `insert into audit_rows (conversation_id, id, action, actor_user_id, created_at)
      select '${group}', gen_random_uuid(), 'rename', '${cast[0]}', now() from ${range(50_000)}`,
    `insert into group_invites (conversation_id, code, created_by, created_at, expires_at, max_uses)
      select ${id("group", "i % 1000 + 1")}, md5(i::text), '${cast[0]}', now(), now() + i % 30 * interval '1 day', 0 from ${range(20_000)}`,
    `insert into imported_messages
      (user_id, conversation_id, sent_at, id, item_key, sender_user_id, sender_device_id, ciphertext)
      select u, '${direct}', timestamptz '2020-01-01 00:00Z' + i * interval '1 s', gen_random_uuid(),
        gen_random_uuid(), u, case i % 100 when 0 then 'rare' else 'old' end, 'x'
      from ${castList}, ${range(10_000)} where u in ('${cast[0]}', '${cast[5]}')`,
    `insert into account_entries (user_id, seq, at, event)
      select user_id, last_seq + s, now() - (${Math.min(inEach, 20_000)} - s) * interval '1 s',
        '{"type":"message.read"}' from account_logs, ${range(Math.min(inEach, 20_000), "s")}
      where user_id = '${cast[0]}'`,
    `update account_logs set last_seq = last_seq + ${Math.min(inEach, 20_000)} where user_id = '${cast[0]}'`,
    `insert into blobs (id, user_id, store, size_bytes, sha256, created_at, collect_at)
      select md5('blob' || i)::uuid, '${cast[0]}', 'postgres', 1, 'x', now(),
        case when i % 10 = 0 then now() + i * interval '1 s' end from ${range(50_000)}`,
    `insert into blob_chunks (blob_id, position, bytes) select md5('blob' || i)::uuid, 0, 'x' from ${range(50_000)}`,
    `insert into blob_uploads (blob_id) select md5('blob' || i * 10)::uuid from ${range(5_000)}`,
    `insert into webhook_streams (conversation_id, endpoint, last_seq) select ${pair}, 'e', 5 from ${range(pairs)}`,
    `insert into webhook_events
      (conversation_id, endpoint, seq, id, event, body, created_at, retry_until, dead_at)
      select ${pair}, 'e', n, gen_random_uuid(), 'chat.message.created', '{}', now(), now(),
        now() - interval '29 days 12 hours' - i * interval '2 s'
      from ${range(2, "n")}, ${range(pairs)}`,
  ];
}
