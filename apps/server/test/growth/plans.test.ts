import { afterAll, beforeAll, expect, test } from "vitest";
import { runMaintenance } from "../../src/maintenance.ts";
import { doors, procedures, type Outcome } from "../contract/access/doors.ts";
import { rows } from "../contract/access/rows.ts";
import { newCast, newScene, type Role, type Scene } from "../contract/access/scene.ts";
import { newPerson } from "../contract/people.ts";
import { createTestDatabase } from "../database.ts";
import { startTestServer, type TestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";
import { fill, million } from "./fill.ts";
import { tapPlans, type PlanTap } from "./plan-tap.ts";
import { findFaults, findUnusedAllowances, judge, type Judged } from "./plans.ts";

/** Whose turn it is; former members see what they had. */
const callers: Role[] = ["owner", "member", "blocked", "former"];
/** What leaves the scene without something that others need comes last. */
const last = [
  "messages.delete",
  "invites.revoke",
  "groups.setRole",
  "groups.removeMember",
  "groups.leave",
  "groups.archive",
];

const stack = new AsyncDisposableStack();
afterAll(() => stack.disposeAsync());
let tap: PlanTap;
let server: TestServer;
let scene: Scene;
const judged: Judged[] = [];
const succeeded = new Set<string>();

beforeAll(async () => {
  const database = stack.use(await createTestDatabase());
  {
    await using before = await startTestServer({ database });
    scene = await newScene(await newCast(before.url));
  }
  await fill(database.url, scene, million);
  tap = stack.use(await tapPlans(database.url));
  server = stack.use(await startTestServer({ database: { ...database, url: tap.url } }));
  scene = { ...scene, url: server.url };
}, 240_000);

function take(during: string): void {
  judged.push(...tap.take().map((executed) => judge(during, executed)));
}

async function call(name: string, token: string, input: object): Promise<Outcome> {
  const of = procedures.find((procedure) => procedure.name === name);
  if (!of) throw new Error(`There is no ${name}`);
  tap.take();
  for (const door of Object.values(doors).toReversed()) {
    const outcome = await door(server.url, token, { of, input: { ...input } });
    if (!outcome) continue;
    if (outcome.status === 200) succeeded.add(name);
    take(`${name} ${JSON.stringify(Object.keys(input))}`);
    return outcome;
  }
  throw new Error(`${name} has no door`);
}

test("the group changes hands, and back", async () => {
  const { owner, admin } = scene.cast;
  for (const [from, to] of [
    [owner, admin],
    [admin, owner],
  ] as const) {
    const input = { conversationId: scene.group, newOwnerUserId: to.id };
    expect((await call("groups.transferOwnership", from.token, input)).status).toBe(200);
  }
});

test("what the other member alone may do", async () => {
  const { token } = scene.cast.other;
  const messageId = scene.before;
  await call("attachments.add", token, { messageId, ciphertextB64: "YWJj" });
  await call("attachments.upload", token, { messageId, body: Buffer.from("abc") });
  await call("uploads.get", token, { uploadId: scene.upload });
  await call("uploads.append", token, { uploadId: scene.upload, offset: 0, body: Buffer.from("abc") });
  await call("attachments.attach", token, { messageId, uploadId: scene.upload });
  await call("keys.remove", token, { deviceId: "of-other" });
});

test("a page of a long conversation, wherever it is and whatever is looked for", async () => {
  const { token } = scene.cast.owner;
  const message = (await call("messages.history", token, { conversationId: scene.group })).answer as {
    messages: { id: string; sent_at: string }[];
  };
  const { id = "", sent_at = "" } = message.messages[0] ?? {};
  const before = new Date(Date.parse(sent_at) - 100_000).toISOString();
  for (const conversationId of [scene.group, scene.direct]) {
    for (const search of [
      { before: conversationId === scene.group ? id : before },
      { before },
      { since: before, until: sent_at },
      { senderDeviceId: "even" },
      { senderDeviceId: "rare" },
      { senderDeviceId: "nobody's" },
      { senderDeviceId: "rare", before },
      { hasAttachments: true, before },
      { hasAttachments: true, senderDeviceId: "even" },
      { hasAttachments: false },
      { hasAttachments: false, before },
      { hasAttachments: false, senderDeviceId: "rare" },
    ]) {
      const { status } = await call("messages.search", token, { conversationId, limit: 200, ...search });
      expect(status, JSON.stringify(search)).toBe(200);
    }
    await call("sync.fill", token, { log: conversationId, fromSeq: 100_000, toSeq: 100_199 });
    await call("messages.inbox", token, { limit: 200 });
  }
});

test("a device that comes back to 110 conversations, and a stream that begins", async () => {
  tap.take();
  await using socket = await WsClient.connect(server.url, { token: scene.cast.admin.token, resume: true });
  await socket.next("message");
  take("sync.subscribe");
  succeeded.add("sync.subscribe");
});

test("an export begins with a page", async () => {
  tap.take();
  const url = `${server.url}/messages/export?conversation_id=${scene.group}`;
  const headers = { authorization: `Bearer ${scene.cast.owner.token}` };
  const { body } = await fetch(url, { method: "POST", headers });
  for await (const _ of body ?? []) break;
  take("archive.export");
  succeeded.add("archive.export");
});

test("every other procedure, for each who may call it", { timeout: 60_000 }, async () => {
  const ordered = procedures.toSorted((a, b) => last.indexOf(a.name) - last.indexOf(b.name));
  for (const { name } of ordered) {
    if (name === "archive.export" || name === "groups.transferOwnership") continue;
    for (const row of rows[name] ?? []) {
      for (const role of callers) {
        const input = (await row.input?.(scene, role)) ?? {};
        const { token } = row.byAnother ? await newPerson(server.url) : scene.cast[role];
        await call(name, token, input);
      }
    }
  }
});

test("maintenance", { timeout: 60_000 }, async () => {
  tap.take();
  const deleted = await runMaintenance(server.app);
  take("maintenance");
  expect(Object.keys(deleted)).toEqual(
    expect.arrayContaining(["sessions", "payment_webhooks", "webhook_events"]),
  );
});

test("no statement reads a table without an index, or more blocks than its bound", () => {
  // Whatever signs it has a test of its own.
  const never = procedures.filter(({ name }) => !succeeded.has(name)).map(({ name }) => name);
  expect(never).toEqual(["payments.receive"]);
  expect(judged.length).toBeGreaterThan(1_000);
  expect(findFaults(judged)).toEqual([]);
  expect(findUnusedAllowances(judged)).toEqual([]);
});
