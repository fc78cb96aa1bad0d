import { randomInt } from "node:crypto";
import type { ConversationId, DeviceId, Message, MessageId } from "@sotto/schema";
import fc from "fast-check";
import { sql } from "kysely";
import { afterAll, expect, test } from "vitest";
import { signInWithDevice } from "../../../test/rest-client.ts";
import { runSql } from "../../../test/sql.ts";
import { startTestServer } from "../../../test/test-server.ts";
import { openDatabase } from "../../db/db.ts";
import type { Call } from "../../pipeline/call.ts";
import { authenticate } from "../accounts/authenticate.ts";
import { importMessages } from "../archive/imports.service.ts";
import { openDirect } from "../conversations/conversations.service.ts";
import { searchMessages } from "./history.service.ts";
import { findFirstSeqAt, listNewestMessages } from "./messages.queries.ts";
import { sendDirect } from "./send.service.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? randomInt(2 ** 31));
const runs = Number(process.env["FUZZ_RUNS"] ?? 10);

const start = Date.UTC(2026, 0, 1);
let clock = start;
const server = await startTestServer({
  now: () => new Date(clock),
  env: { JWT_EXPIRES_MINUTES: "5256000" },
});
afterAll(() => server[Symbol.asyncDispose]());
const { app } = server;

async function newCaller(): Promise<Call> {
  const { token } = await signInWithDevice(server.url, "phone");
  return { app, caller: await authenticate(app, token), requestId: "test", address: "127.0.0.1" };
}

/** What happens in a conversation: times are so few that many are equal. */
const step = fc.oneof(
  fc.record({ do: fc.constant("send" as const), side: fc.nat(1), device: fc.nat(2), wait: fc.nat(2) }),
  fc.record({
    do: fc.constant("import" as const),
    items: fc.array(fc.record({ time: fc.nat(12), device: fc.nat(2) }), { minLength: 1, maxLength: 6 }),
  }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const filter = fc.record({
  device: fc.option(fc.nat(2)),
  since: fc.option(fc.nat(14)),
  until: fc.option(fc.nat(14)),
  limit: fc.integer({ min: 1, max: 4 }),
});

type Filter = typeof filter extends fc.Arbitrary<infer T> ? T : never;

test(
  `pages of sent and imported messages lose none and double none (FUZZ_SEED=${seed})`,
  { timeout: 120_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 25 }),
        fc.array(filter, { minLength: 1, maxLength: 4 }),
        async (steps, filters) => {
          clock = start;
          const [ada, bob] = [await newCaller(), await newCaller()];
          const { id } = await openDirect(ada, bob.caller.userId);
          const model: Modelled[] = [];
          for (const each of steps) model.push(...(await play(each, { ada, bob, id })));
          model.sort(inOrder);
          for (const each of filters) await comparePages(ada, { id, model, filter: each });
        },
      ),
      { seed, numRuns: runs },
    );
  },
);

/** A message with what its place is made of. */
interface Modelled {
  id: MessageId;
  at: number;
  isImported: boolean;
  number: number;
  device: string;
}

function inOrder(a: Modelled, b: Modelled): number {
  return a.at - b.at || Number(b.isImported) - Number(a.isImported) || a.number - b.number;
}

let number = 0;

async function play(each: Step, talk: { ada: Call; bob: Call; id: ConversationId }): Promise<Modelled[]> {
  number++;
  if (each.do === "send") {
    clock += each.wait;
    const [from, to] = each.side === 0 ? [talk.ada, talk.bob] : [talk.bob, talk.ada];
    const device = `label${each.device}`;
    const sent = await sendDirect(from, {
      recipientUserId: to.caller.userId,
      senderDeviceId: device as DeviceId,
      ciphertext: "x",
    });
    return [{ id: sent.id, at: clock, isImported: false, number, device }];
  }
  const messages = each.items.map(({ time, device }, i) => ({
    ciphertext: `${number}/${i}`,
    sentAt: new Date(start + time).toISOString(),
    senderDeviceId: `label${device}` as DeviceId,
  }));
  const { created } = await importMessages(talk.ada, { conversationId: talk.id, messages });
  return created.map((id, i) => {
    const { time = 0, device = 0 } = each.items[i] ?? {};
    return { id, at: start + time, isImported: true, number: number + i / 100, device: `label${device}` };
  });
}

const timeOf = (offset: number | null): string | null =>
  offset === null ? null : new Date(start + offset).toISOString();

const ids = (messages: { id: MessageId }[]): MessageId[] => messages.map((each) => each.id);

/** Reads backwards, page by page, and by each time there is; each page must be the model's. */
async function comparePages(
  call: Call,
  { id, model, filter }: { id: ConversationId; model: Modelled[]; filter: Filter },
): Promise<void> {
  const { device, since, until, limit } = filter;
  const matching = model.filter(
    (each) =>
      (device === null || each.device === `label${device}`) &&
      (since === null || each.at >= start + since) &&
      (until === null || each.at <= start + until),
  );
  const read = async (before: string | null): Promise<Message[]> => {
    const search = { conversationId: id, since: timeOf(since), until: timeOf(until), before, limit };
    const senderDeviceId = device === null ? null : (`label${device}` as DeviceId);
    return (await searchMessages(call, { ...search, senderDeviceId })).messages;
  };

  let left = matching;
  let before: string | null = null;
  for (;;) {
    const page = await read(before);
    expect(ids(page)).toEqual(ids(left.slice(-limit)));
    if (page.length === 0) break;
    left = left.slice(0, -page.length);
    before = page[0]?.id ?? null;
  }
  // From whichever message, also from one that the filter leaves out.
  for (const [i, each] of model.entries()) {
    const older = new Set(ids(model.slice(0, i)));
    expect(ids(await read(each.id))).toEqual(ids(matching.filter(({ id }) => older.has(id)).slice(-limit)));
  }
  for (let offset = 0; offset <= 14; offset += 2) {
    const older = matching.filter(({ at }) => at < start + offset);
    expect(ids(await read(timeOf(offset)))).toEqual(ids(older.slice(-limit)));
  }
}

test(
  "a page of 200,000 messages is read from indexes, also for a rare device and for a time",
  { timeout: 60_000 },
  async () => {
    clock = start;
    const [ada, bob] = [await newCaller(), await newCaller()];
    const { id } = await openDirect(ada, bob.caller.userId);
    await runSql(
      server.database.url,
      `insert into messages (conversation_id, seq, id, sender_user_id, sender_device_id, sent_at, ciphertext)
       select '${id}', i, gen_random_uuid(), '${bob.caller.userId}',
         case when i in (7, 90000) then 'rare' when i % 2 = 0 then 'even' else 'odd' end,
         timestamptz '2026-01-01 00:00Z' + i / 4 * interval '1 ms', repeat('x', 100)
       from generate_series(1, 200000) i;
       insert into attachments
         (conversation_id, message_seq, id, message_id, seq, blob_id, is_inline, size_bytes, created_at)
       select '${id}', i, gen_random_uuid(), gen_random_uuid(), 200000, gen_random_uuid(), true, 1, now()
       from unnest(array[5, 5, 9, 100001, 150000, 150000, 150003]) i;
       update conversations set last_seq = 200000, last_message_at = now() where id = '${id}';
       analyze messages; analyze attachments;`,
    );
    await using single = openDatabase({ url: server.database.url, maxConnections: 1 });
    const { db } = single;
    const reader = { userId: ada.caller.userId, wrapKey: null };
    const blocksRead = async (): Promise<number> => {
      await sql`select pg_stat_force_next_flush()`.execute(db);
      const { rows } = await sql<{ blocks: number }>`
        select heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit as blocks
        from pg_statio_user_tables where relname = 'messages'
      `.execute(db);
      return rows[0]?.blocks ?? 0;
    };
    const seqs = async (match: object): Promise<number[]> => {
      const page = {
        conversationId: id,
        fromSeq: 0,
        beforeSeq: Number.MAX_SAFE_INTEGER,
        limit: 50,
        ...match,
      };
      return (await listNewestMessages(db, reader, page)).map((row) => row.seq);
    };
    const before = await blocksRead();
    expect(await seqs({ senderDeviceId: "rare" })).toEqual([90_000, 7]);
    expect(await seqs({ senderDeviceId: "none" })).toEqual([]);
    const evens = Array.from({ length: 50 }, (_, i) => 99_998 - 2 * i);
    expect(await seqs({ senderDeviceId: "even", beforeSeq: 100_000 })).toEqual(
      evens.filter((seq) => seq !== 90_000),
    );
    expect(await seqs({ beforeSeq: 50_001 })).toEqual(Array.from({ length: 50 }, (_, i) => 50_000 - i));
    expect(await seqs({ hasAttachments: true })).toEqual([150_003, 150_000, 100_001, 9, 5]);
    const later = { hasAttachments: true, fromSeq: 9, beforeSeq: 150_003, senderDeviceId: "odd" };
    expect(await seqs(later)).toEqual([100_001, 9]);
    const bare = { hasAttachments: false, beforeSeq: 150_004, limit: 3 };
    expect(await seqs(bare)).toEqual([150_002, 150_001, 149_999]);
    expect(await seqs({ ...bare, senderDeviceId: "odd" })).toEqual([150_001, 149_999, 149_997]);
    expect(await findFirstSeqAt(db, id, new Date(start + 25_000))).toBe(100_000);
    expect(await findFirstSeqAt(db, id, new Date(start - 1))).toBe(1);
    expect(await findFirstSeqAt(db, id, new Date(start + 1e9))).toBe(200_001);
    // The whole conversation is 3,000 blocks and more.
    expect((await blocksRead()) - before).toBeLessThan(1_200);

    await runSql(
      server.database.url,
      `insert into attachments
         (conversation_id, message_seq, id, message_id, seq, blob_id, is_inline, size_bytes, created_at)
       select '${id}', i, gen_random_uuid(), gen_random_uuid(), 200000, gen_random_uuid(), true, 1, now()
       from generate_series(20001, 25000) i`,
    );
    expect(await seqs({ ...bare, beforeSeq: 25_002 })).toEqual([25_001, 20_000, 19_999]);
    expect(await seqs({ ...bare, fromSeq: 20_000, beforeSeq: 25_001 })).toEqual([20_000]);
    expect(await seqs({ ...bare, fromSeq: 20_001, beforeSeq: 25_001 })).toEqual([]);
    expect(await seqs({ ...bare, beforeSeq: 6 })).toEqual([4, 3, 2]);
  },
);
