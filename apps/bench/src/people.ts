import { createHmac } from "node:crypto";
import { Client } from "pg";

/** Secret of the servers that are measured; they listen on loopback alone. */
export const jwtSecret = "sotto-bench-secret-of-32-characters-or-more";
/** Every person has one device, and it is called so. */
export const deviceId = "d";

const tokenSecs = 7 * 86_400;
const hex = (n: number): string => n.toString(16).padStart(12, "0");

/** Ids that follow from a number, in order as UUIDv7 are; pair n is of the persons 2n and 2n + 1. */
export const userIdOf = (n: number): string => `00000000-0000-7000-8000-${hex(n)}`;
const sessionIdOf = (n: number): string => `00000001-0000-7000-8000-${hex(n)}`;
export const pairIdOf = (n: number): string => `00000002-0000-7000-8000-${hex(n)}`;
export const groupIdOf = (size: number): string => `00000003-0000-7000-8000-${hex(size)}`;
/** As SQL. */
export const sqlId = (kind: number, n: string): string =>
  `('0000000${kind}-0000-7000-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;

export interface Population {
  people: number;
  pairs: number;
  /** Each has the first persons as its members. */
  groupSizes?: number[];
}

/** What the server would have stored had they all signed in and opened their conversations. */
export async function fillPeople(url: string, { people, pairs, groupSizes = [] }: Population): Promise<void> {
  const each = `from generate_series(0, ${people - 1}) n`;
  const statements = [
    `insert into users (id, phone, created_at) select ${sqlId(0, "n")}, '+4915' || (100000000 + n), now() ${each}`,
    `insert into account_logs (user_id) select ${sqlId(0, "n")} ${each}`,
    `insert into devices (user_id, device_id, public_key, created_at, updated_at, last_seen_at)
      select ${sqlId(0, "n")}, '${deviceId}', 'bench', now(), now(), now() ${each}`,
    `insert into sessions (id, user_id, device_id, created_at, expires_at, changed_at)
      select ${sqlId(1, "n")}, ${sqlId(0, "n")}, '${deviceId}', now(), now() + interval '7 days', now() ${each}`,
    `insert into session_devices (session_id, user_id, device_id)
      select ${sqlId(1, "n")}, ${sqlId(0, "n")}, '${deviceId}' ${each}`,
    `insert into positions (user_id, device_id, log_id, seq)
      select ${sqlId(0, "n")}, '${deviceId}', ${sqlId(0, "n")}, 0 ${each}`,
    `insert into conversations (id, is_group, user_a, user_b, created_at)
      select ${sqlId(2, "n")}, false, ${sqlId(0, "2 * n")}, ${sqlId(0, "2 * n + 1")}, now()
      from generate_series(0, ${pairs - 1}) n`,
    `insert into conversation_members (conversation_id, user_id, from_seq, joined_at)
      select ${sqlId(2, "n / 2")}, ${sqlId(0, "n")}, 0, now() from generate_series(0, ${2 * pairs - 1}) n`,
    ...groupSizes.flatMap((size) => [
      // Its log begins with the entry of its making, which is also what its members are counted by.
      `insert into conversations
          (id, is_group, name, user_a, user_b, created_at, last_seq, last_entry_at, roster_seq, roster_version)
        values ('${groupIdOf(size)}', true, 'bench', '${userIdOf(0)}', '${userIdOf(0)}', now(), 1, now(), 1, 1)`,
      `insert into conversation_entries (conversation_id, seq, at, event)
        values ('${groupIdOf(size)}', 1, now(), '${JSON.stringify(groupCreated(size))}')`,
      `insert into conversation_members (conversation_id, user_id, from_seq, joined_at, role)
        select '${groupIdOf(size)}', ${sqlId(0, "n")}, 0, now(), case n when 0 then 'owner' else 'member' end
        from generate_series(0, ${size - 1}) n`,
    ]),
  ];
  await runSql(url, async (client) => {
    for (const statement of [...statements, "vacuum (freeze, analyze)", "checkpoint"])
      await client.query(statement);
  });
}

const groupCreated = (size: number): object => ({
  type: "group.changed",
  conversationId: groupIdOf(size),
  action: "created",
  actorUserId: userIdOf(0),
  userIds: Array.from({ length: size - 1 }, (_, n) => userIdOf(n + 1)),
  name: "bench",
});

export async function runSql<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A token as the server issues it (HS256, RFC 7519). */
export function tokenOf(n: number): string {
  const iat = Math.floor(Date.now() / 1000);
  const claims = {
    sub: userIdOf(n),
    phone: `+4915${100_000_000 + n}`,
    jti: sessionIdOf(n),
    iat,
    exp: iat + tokenSecs,
  };
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return `${signed}.${createHmac("sha256", jwtSecret).update(signed).digest("base64url")}`;
}
