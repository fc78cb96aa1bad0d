/** What the other scenarios have not of the table in docs/SECURITY.md, "Each attack and its code". */
import { encodeBase64url, encodeCbor } from "@sotto/schema";
import type { UnreadableReason } from "@sotto/sdk";
import { expect, test } from "vitest";
import { TestUser } from "../sdk-fixtures.ts";
import { runSql } from "../sql.ts";
import { startTestServer } from "../test-server.ts";

interface Attack {
  attack: string;
  reason: UnreadableReason;
  /** In SQL: what stands in the copied row. */
  ciphertext?: string;
  wraps?: string;
  /** Into a group of the same two, instead of the conversation that it was sent in. */
  isMoved?: boolean;
}
const ownWrap = "(select key from jsonb_each(wraps) limit 1)";

test.each<Attack>([
  {
    attack: "moved into another conversation of the same two",
    reason: "wrong_conversation",
    isMoved: true,
  },
  {
    attack: "made larger than an envelope may be",
    reason: "oversize",
    ciphertext: "ciphertext || repeat('A', 400000)",
  },
  { attack: "without the reader's wrap", reason: "not_for_this_device", wraps: "'{}'::jsonb" },
  {
    attack: "with an empty wrap",
    reason: "not_addressed",
    wraps: `jsonb_build_object(${ownWrap}, '')`,
  },
  {
    attack: "with a wrap that is none",
    reason: "wrap_malformed",
    wraps: `jsonb_build_object(${ownWrap}, 'AAAA')`,
  },
])(
  "a message $attack is $reason",
  async ({ reason, ciphertext = "ciphertext", wraps = "wraps", isMoved = false }) => {
    await using server = await startTestServer();
    const { url, database } = server;
    await using alice = await TestUser.open({ url });
    await using bob = await TestUser.open({ url });
    const group = await alice.client.groups.create("two", { memberUserIds: [bob.userId] });
    await bob.untilGroup(group.groupId);
    const { id, conversationId } = await alice.to(bob).send("pay 10");
    await bob.untilReceived(1);
    await bob.client.stop();

    const target = isMoved ? group : alice.to(bob);
    await runSql(
      database.url,
      `with raised as (
         update conversations set last_seq = last_seq + 1
         where id = '${isMoved ? group.groupId : conversationId}' returning id, last_seq
       )
       insert into messages (conversation_id, seq, id, sender_user_id, sender_device_id, sent_at, ciphertext, wraps)
       select raised.id, raised.last_seq, gen_random_uuid(), sender_user_id, sender_device_id, sent_at,
         ${ciphertext}, ${wraps}
       from messages, raised where messages.id = '${id}'`,
    );
    await target.send("after it");
    await bob.start();
    await bob.until("the last one", () => bob.texts.at(-1) === "after it");
    expect(bob.texts).toEqual(["pay 10", "(unreadable)", "after it"]);
    expect(bob.received).toMatchObject([{}, { kind: "unreadable", reason }, {}]);
  },
);

const bytes = (length: number) => new Uint8Array(length);

/** A wrapped recovery key whose header asks for this much. */
function bomb(memoryKiB: number, iterations: number): string {
  const items = ["backup/v1", "argon2id", memoryKiB, iterations, 1, bytes(16), bytes(12), bytes(90)];
  return `sotto-backup-key:1.${encodeBase64url(encodeCbor(items))}`;
}

test("a wrapped recovery key that asks for 64 GiB, or for hours, is refused before it is tried", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open({ url: server.url });
  for (const wrapped of [bomb(64 * 2 ** 20, 3), bomb(65_536, 1_000_000)]) {
    await expect(alice.client.backup.unwrapRecoveryKey(wrapped, "any")).rejects.toMatchObject({
      code: "BACKUP_REFUSED",
      details: { reason: "parameters" },
    });
  }
});
