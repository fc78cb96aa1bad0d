// The floor's SQL; pgbench runs the send as well. It stores the same rows with the same indexes as the server's.

const send = (which: string): string => `
  with numbered as (
    update conversations
    set last_seq = last_seq + 1, last_message_at = greatest($5, last_message_at),
      last_entry_at = greatest($5, last_entry_at)
    where ${which}
    returning id, last_seq, last_message_at
  )
  insert into messages (conversation_id, seq, id, sender_user_id, sender_device_id, dedupe_key, sent_at, ciphertext)
  select id, last_seq, $1, $2, $3, $4, last_message_at, $6 from numbered
  returning conversation_id, seq, sent_at`;

const columns = `m.id, m.conversation_id, m.sender_user_id, m.sender_device_id, m.ciphertext, m.sent_at`;

export const floorStatements = {
  sendToPair: send("user_a = $7 and user_b = $8 and not is_group"),
  sendToGroup: send("id = $7"),
  members: `select user_id from conversation_members where conversation_id = $1 and to_seq is null`,
  inbox: `
    select ${columns}
    from conversation_members v
    left join lateral (
      select through_seq from marks k
      where k.conversation_id = v.conversation_id and k.user_id = v.user_id and k.kind = 'delivered'
      order by through_seq desc limit 1
    ) k on true
    cross join lateral (
      select * from messages x
      where x.conversation_id = v.conversation_id and x.seq > coalesce(k.through_seq, 0)
        and x.sender_user_id <> v.user_id
      order by x.seq limit $2
    ) m
    where v.user_id = $1 order by m.sent_at limit $2`,
  history: `select ${columns} from messages m where conversation_id = $1 order by seq desc limit $2`,
  health: `select 1`,
} as const;

const user = (n: string): string => `('00000000-0000-7000-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;

/**
 * The send as a script of pgbench, for pairs that `people.ts` made. As in the load, a client has pairs of its own: none
 * waits for another's row.
 */
export function toPgbenchScript(options: { pairs: number; clients: number; ciphertext: string }): string {
  const { pairs, clients, ciphertext } = options;
  const values = [
    "uuidv7()",
    user("2 * :n"),
    "'d'",
    "gen_random_uuid()",
    "now()",
    `'${ciphertext}'`,
    user("2 * :n"),
    user("2 * :n + 1"),
  ];
  const statement = floorStatements.sendToPair
    .replaceAll(/\$(\d)/g, (_, index: string) => values[Number(index) - 1] ?? "")
    .replaceAll(/\s+/g, " ")
    .trim();
  return `\\set n :client_id + ${clients} * random(0, ${Math.floor(pairs / clients) - 1})\n${statement};\n`;
}
