import { randomInt } from "node:crypto";
import type { ConversationId } from "@sotto/schema";
import { afterAll, expect, test } from "vitest";
import { act, newGroup, newMembers } from "../groups.ts";
import { seededRandom } from "../lossy-bus.ts";
import { rest } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? randomInt(2 ** 31));
const server = await startTestServer();
const other = await startTestServer({ database: server.database });
afterAll(async () => {
  await other[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});
const { url } = server;
const people = await newMembers(url, 6);
const writers = 12;
const callsEach = 40;

type Pick = <T>(items: readonly T[]) => T;

/** One call of many kinds, on groups and people that the other writers change at the same time. */
function makeCall(pick: Pick, groups: { id: string; code: string }[]): [route: string, body?: object] {
  const { id, code } = pick(groups);
  const target = pick(people).id;
  return pick<() => [string, object?]>([
    () => ["POST /groups", { name: "new", member_user_ids: [target, pick(people).id] }],
    () => [`POST /groups/${id}/members`, [target, pick(people).id, pick(people).id]],
    () => [`DELETE /groups/${id}/members/${target}`],
    () => [`POST /groups/${id}/leave`],
    () => [`POST /groups/${id}/members/${target}/role`, { role: pick(["admin", "member"]) }],
    () => [`POST /groups/${id}/transfer_ownership`, { new_owner_user_id: target }],
    () => [`POST /groups/${id}/archive`, { archived: pick([true, false, false]) }],
    () => [`POST /groups/invites/${code}/accept`],
    () => ["POST /messages/send_group", { conversation_id: id, sender_device_id: "phone", ciphertext: "c" }],
    () => ["POST /messages/send", { recipient_user_id: target, sender_device_id: "phone", ciphertext: "c" }],
    () => ["POST /keys/publish", { device_id: "phone", public_key: `k${pick([1, 2, 3])}` }],
    () => [`${pick(["POST", "DELETE"])} /blocks?blocked_user_id=${target}`],
    () => ["GET /messages/inbox?ack_delivered=true"],
    () => [`GET /groups/${id}`],
  ])();
}

async function requireWhole(id: string): Promise<void> {
  const conversationId = id as ConversationId;
  const { db } = server.app;
  const members = await db
    .selectFrom("conversation_members")
    .select(["user_id", "from_seq", "to_seq", "role"])
    .where("conversation_id", "=", conversationId)
    .orderBy("user_id")
    .orderBy("from_seq")
    .execute();
  const present = members.filter((member) => member.to_seq === null);
  expect(present.filter(({ role }) => role === "owner")).toHaveLength(present.length > 0 ? 1 : 0);
  for (const [i, member] of members.entries()) {
    const before = members[i - 1];
    if (before?.user_id !== member.user_id) continue;
    expect(before.to_seq, "one interval has ended before the next begins").not.toBeNull();
    expect(before.to_seq).toBeLessThanOrEqual(member.from_seq);
  }
  const [entries, messages] = await Promise.all(
    (["conversation_entries", "messages"] as const).map((table) =>
      db.selectFrom(table).select("seq").where("conversation_id", "=", conversationId).execute(),
    ),
  );
  const seqs = [...(entries ?? []), ...(messages ?? [])].map(({ seq }) => seq).toSorted((a, b) => a - b);
  expect(seqs).toEqual(seqs.map((_, i) => i + 1));
}

test(
  `a storm of changes on two servers ends in whole groups, and none of them fails (FUZZ_SEED=${seed})`,
  { timeout: 60_000 },
  async () => {
    const groups = await Promise.all(
      people.slice(0, 4).map(async (owner) => {
        const id = await newGroup(url, owner, people);
        return { id, code: String((await act(url, owner, `POST /groups/${id}/invites`))["code"]) };
      }),
    );
    let done = 0;
    const write = async (writer: number): Promise<void> => {
      const random = seededRandom(seed + writer);
      const pick: Pick = (items) => items[Math.floor(random() * items.length)] as (typeof items)[number];
      for (let i = 0; i < callsEach; i++) {
        const [route, body] = makeCall(pick, groups);
        const answer = await rest(pick([url, other.url]), route, {
          token: pick(people).token,
          ...(body ? { body } : {}),
        });
        expect(answer.status, `${route} ${JSON.stringify(answer.body)}`).toBeLessThan(500);
        if (answer.status === 200) done++;
      }
    };
    await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
    expect(done).toBeGreaterThan((writers * callsEach) / 4);
    for (const { id } of groups) await requireWhole(id);
  },
);
