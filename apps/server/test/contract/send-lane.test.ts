import { randomUUID } from "node:crypto";
import { maxCiphertextBytes } from "@sotto/schema";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { act, newGroup, newMember, newMembers, sendToGroup, type Member } from "../groups.ts";
import { sendTo, signInWithDevice, type RestAnswer } from "../rest-client.ts";
import { runSql } from "../sql.ts";
import { startTwoServers } from "../two-servers.ts";
import { outcome } from "./described-rest.ts";

const servers = await startTwoServers();
afterAll(() => servers[Symbol.asyncDispose]());
const { server, other, url, call } = servers;

const text = (): object => ({ sender_device_id: "phone", ciphertext: "c", client_message_id: randomUUID() });

const toUser = (id: string, more: object = {}): [string, object] => [
  "POST /messages/send",
  { ...text(), recipient_user_id: id, ...more },
];

const toGroup = (id: string, more: object = {}): [string, object] => [
  "POST /messages/send_group",
  { ...text(), conversation_id: id, ...more },
];

/** What one sender may send, well or badly: route and body. */
async function newRepertoire(sender: Member): Promise<Record<string, () => [string, object]>> {
  const [friend, blocker, joiner] = await newMembers(url, 3);
  if (!friend || !blocker || !joiner) throw new Error("three were asked for");
  for (const { id } of [friend, blocker]) await sendTo(url, sender, { to: id, ciphertext: "first" });
  await act(url, blocker, `POST /blocks?blocked_user_id=${sender.id}`);
  const [group, left, archived] = [
    await newGroup(url, friend, [sender]),
    await newGroup(url, friend, [sender]),
    await newGroup(url, friend, [sender]),
  ];
  await act(url, sender, `POST /groups/${left}/leave`);
  await act(url, friend, `POST /groups/${archived}/archive`);
  await signInWithDevice(url, "tablet", sender.phone);
  const wraps = ["phone"].map((device) => ({ user_id: friend.id, device_id: device, wrap: "w" }));
  const own = { user_id: sender.id, device_id: "tablet", wrap: "w" };
  return {
    "to a friend": () => toUser(friend.id),
    "sealed for a friend": () => toUser(friend.id, { recipients: [...wraps, own] }),
    "to a group": () => toGroup(group),
    "under a label that names no device": () => toUser(friend.id, { sender_device_id: "label" }),
    "sealed for an older list": () => toUser(friend.id, { recipients: wraps }),
    "from another session's device": () => toUser(friend.id, { sender_device_id: "tablet" }),
    "sealed under a label": () =>
      toUser(friend.id, {
        sender_device_id: "label",
        recipients: [...wraps, own, { ...own, device_id: "phone" }],
      }),
    "to who blocked": () => toUser(blocker.id),
    "to a group that was left": () => toGroup(left),
    "to an archived group": () => toGroup(archived),
    "to oneself": () => toUser(sender.id),
    "to nobody": () => toUser(randomUUID()),
    "too large": () => toUser(friend.id, { ciphertext: "c".repeat(maxCiphertextBytes + 1) }),
  };
}

const isStored = ({ status }: RestAnswer): boolean => status === 200;
const idOf = ({ body }: RestAnswer): unknown =>
  body["id"] ?? (body["message_ids"] as string[] | undefined)?.[0];

/** Of every conversation: how many numbers were given, and how many of them are there. */
function findGaps(): Promise<Record<string, unknown>[]> {
  return runSql(
    server.database.url,
    `select c.id from conversations c where c.last_seq <>
      (select count(*) from messages m where m.conversation_id = c.id)
      + (select count(*) from conversation_entries e where e.conversation_id = c.id)`,
  );
}

async function countStored(ids: unknown[]): Promise<number> {
  const list = ids.map((id) => `'${String(id)}'`).join(",");
  const rows = await runSql(server.database.url, `select id from messages where id in (${list})`);
  return rows.length;
}

test("in whatever company, a send is answered as it is alone", async () => {
  const sender = await newMember(url);
  const repertoire = await newRepertoire(sender);
  const kinds = Object.keys(repertoire);
  const sendOf = (kind: string, i: number): Promise<RestAnswer> => {
    const [route, body] = repertoire[kind]?.() ?? ["", {}];
    return call(i, sender, route, body);
  };
  const alone = new Map<string, unknown>();
  for (const kind of kinds) {
    const answer = await sendOf(kind, 0);
    alone.set(kind, isStored(answer) ? "stored" : outcome(answer));
  }
  const stored = kinds.filter((kind) => alone.get(kind) === "stored");
  expect(stored).toEqual(kinds.slice(0, 4));
  expect(new Set([...alone.values()].map((how) => JSON.stringify(how))).size).toBeGreaterThan(7);

  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...kinds), { minLength: 2, maxLength: 40 }), async (batch) => {
      const answers = await Promise.all(batch.map((kind, i) => sendOf(kind, i)));
      const how = answers.map((answer) => (isStored(answer) ? "stored" : outcome(answer)));
      expect(how).toEqual(batch.map((kind) => alone.get(kind)));
      const ids = answers.filter(isStored).map(idOf);
      expect(new Set(ids).size).toBe(ids.length);
      if (ids.length > 0) expect(await countStored(ids)).toBe(ids.length);
    }),
    { numRuns: 12 },
  );
  expect(await findGaps()).toEqual([]);
});

test("the same client_message_id within a batch, and in two processes, is stored once", async () => {
  const [sender, friend, third] = await newMembers(url, 3);
  if (!sender || !friend || !third) throw new Error("three were asked for");
  for (const { id } of [friend, third]) await sendTo(url, sender, { to: id, ciphertext: "first" });
  for (let round = 0; round < 6; round++) {
    const body = { ...text(), recipient_user_id: friend.id };
    const elsewhere = Array.from({ length: 10 }, (_, i) =>
      call(i, sender, "POST /messages/send", { ...text(), recipient_user_id: third.id }),
    );
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => call(i, sender, "POST /messages/send", body)),
    );
    expect(new Set(answers.map(idOf)).size).toBe(1);
    expect(answers.every(isStored)).toBe(true);
    for (const answer of await Promise.all(elsewhere)) expect(answer.status).toBe(200);
  }
  expect(await findGaps()).toEqual([]);
});

test("batches of two processes, changes of members and of devices do not deadlock", async () => {
  const people = await newMembers(url, 6);
  const [owner, , , , , guest] = people;
  if (!owner || !guest) throw new Error("six were asked for");
  const groups: string[] = [];
  for (let i = 0; i < 6; i++) groups.push(await newGroup(url, owner, people.slice(1, 5)));
  const [before, ended] = [await commitsAndMessages(), new AbortController()];
  const answers: RestAnswer[] = [];
  const writers = people.slice(0, 5).flatMap((sender, w) =>
    [0, 1, 2, 3].map(async (lane) => {
      for (let i = 0; i < 15; i++) {
        const id = groups[(i + w + lane) % groups.length];
        const body = { ...text(), conversation_id: id };
        answers.push(await call(w + lane, sender, "POST /messages/send_group", body));
      }
    }),
  );
  const changing = (async () => {
    for (let i = 0; !ended.signal.aborted; i++) {
      const id = groups[i % groups.length] ?? "";
      await act(url, owner, `POST /groups/${id}/members`, [guest.id]);
      await signInWithDevice(other.url, `d${i % 5}`, owner.phone);
      await act(other.url, owner, `DELETE /groups/${id}/members/${guest.id}`);
    }
  })();
  await Promise.all(writers);
  ended.abort();
  await changing;
  expect(answers.map(({ status }) => status)).toEqual(Array(300).fill(200));
  expect(new Set(answers.map(idOf)).size).toBe(300);
  expect(await findGaps()).toEqual([]);
  const after = await commitsAndMessages();
  expect(after.messages - before.messages).toBe(300);
  // Had they not shared commits, nothing of the above would have been tried.
  expect(after.commits - before.commits).toBeLessThan(250);
});

async function commitsAndMessages(): Promise<{ commits: number; messages: number }> {
  const sum = { commits: 0, messages: 0 };
  for (const { app } of [server, other]) {
    sum.commits += (await app.metrics.sendCommits.get()).values[0]?.value ?? 0;
    sum.messages += (await app.metrics.messages.get()).values[0]?.value ?? 0;
  }
  return sum;
}

test("a conversation that somebody holds does not keep the others waiting", async () => {
  const [sender, friend] = await newMembers(url, 2);
  if (!sender || !friend) throw new Error("two were asked for");
  await sendTo(url, sender, { to: friend.id, ciphertext: "first" });
  const held = await newGroup(url, sender, [friend]);
  const released = Promise.withResolvers<void>();
  const locked = Promise.withResolvers<void>();
  const holding = server.app.db.transaction().execute(async (tx) => {
    await tx
      .selectFrom("conversations")
      .select("id")
      .where("id", "=", held as never)
      .forUpdate()
      .execute();
    locked.resolve();
    await released.promise;
  });
  await locked.promise;
  let isDone = false;
  const waiting = sendToGroup(url, sender, held, "waits").then(() => (isDone = true));
  await Promise.all(
    Array.from({ length: 5 }, () => sendTo(url, sender, { to: friend.id, ciphertext: "does not" })),
  );
  expect(isDone).toBe(false);
  released.resolve();
  await Promise.all([holding, waiting]);
});
