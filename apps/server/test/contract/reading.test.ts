import { afterAll, describe, expect, test } from "vitest";
import { signIn, type Json, type RestAnswer } from "../rest-client.ts";
import { runSql } from "../sql.ts";
import { startTestServer } from "../test-server.ts";
import { unknownId } from "./contract-routes.ts";
import { fieldList, outcome, placesOf, rest } from "./described-rest.ts";
import { ack, newPair, newPerson, sendAll } from "./people.ts";

const start = Date.UTC(2026, 2, 1, 12);
let clock = start;
const server = await startTestServer({
  now: () => new Date(clock),
  env: { JWT_EXPIRES_MINUTES: "5256000" },
});
afterAll(() => server[Symbol.asyncDispose]());

const get = (token: string, path: string): Promise<RestAnswer> =>
  rest(server.url, `GET /messages/${path}`, { token });
const messagesOf = async (token: string, path: string): Promise<Json[]> =>
  fieldList(await get(token, path), "messages");
const texts = (messages: Json[]): unknown[] => messages.map((message) => message["ciphertext"]);
const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `m${i}`);

describe("GET /messages/inbox", () => {
  test("gives what is not delivered, until it is acknowledged", async () => {
    const [ada, bob] = await newPair(server.url);
    expect((await get(bob.token, "inbox")).body).toEqual({ messages: [] });
    const [first, second] = await sendAll(server.url, ada, bob, ["a", "b"]);
    expect(await messagesOf(bob.token, "inbox")).toEqual([first, second]);
    expect(await messagesOf(bob.token, "inbox?ack_delivered=false")).toEqual([first, second]);
    expect(await messagesOf(ada.token, "inbox")).toEqual([]);
    await ack(server.url, bob.token, `${String(first?.["id"])}/ack_delivered`);
    expect(await messagesOf(bob.token, "inbox")).toEqual([second]);
  });

  test("ack_delivered=true marks what it gives, and that alone", async () => {
    const [ada, bob] = await newPair(server.url);
    await sendAll(server.url, ada, bob, numbered(5));
    const taken = await messagesOf(bob.token, "inbox?ack_delivered=true&limit=3");
    expect(texts(taken)).toEqual(["m0", "m1", "m2"]);
    expect(taken.map((message) => message["delivered"])).toEqual([true, true, true]);
    expect(texts(await messagesOf(bob.token, "inbox"))).toEqual(["m3", "m4"]);
    const conversation = String(taken[0]?.["conversation_id"]);
    const seen = await messagesOf(ada.token, `history?conversation_id=${conversation}`);
    expect(seen.map((message) => message["delivered"])).toEqual([true, true, true, false, false]);
  });

  test.each(["true", "1", "yes", "on", "True", "TRUE"])("reads ack_delivered=%s", async (spelling) => {
    const [ada, bob] = await newPair(server.url);
    await sendAll(server.url, ada, bob, ["a"]);
    await messagesOf(bob.token, `inbox?ack_delivered=${spelling}`);
    expect(await messagesOf(bob.token, "inbox")).toEqual([]);
  });

  test("keeps the order of a conversation's log among messages of one instant", async () => {
    const [ada, bob] = await newPair(server.url);
    await Promise.all(numbered(40).map((text) => sendAll(server.url, ada, bob, [text])));
    const inbox = await messagesOf(bob.token, "inbox?limit=100");
    const conversation = String(inbox[0]?.["conversation_id"]);
    const history = await messagesOf(bob.token, `history?conversation_id=${conversation}&limit=100`);
    expect(new Set(inbox.map((message) => message["sent_at"])).size).toBe(1);
    expect(texts(inbox)).toHaveLength(40);
    expect(texts(inbox)).toEqual(texts(history));
  });

  test("is in the order of sending across conversations", async () => {
    const [ada, eve] = await newPair(server.url);
    const bob = await newPerson(server.url);
    clock = start;
    for (const [sender, text] of [
      [eve, "1"],
      [ada, "2"],
      [eve, "3"],
      [eve, "4"],
      [ada, "5"],
    ] as const) {
      clock += 10;
      await sendAll(server.url, sender, bob, [text]);
    }
    expect(texts(await messagesOf(bob.token, "inbox"))).toEqual(["1", "2", "3", "4", "5"]);
    expect(texts(await messagesOf(bob.token, "inbox?ack_delivered=true&limit=2"))).toEqual(["1", "2"]);
    expect(texts(await messagesOf(bob.token, "inbox?limit=2"))).toEqual(["3", "4"]);
  });

  test("gives 200 at most, and 200 when nothing is said", async () => {
    const [ada, bob] = await newPair(server.url);
    await sendAll(server.url, ada, bob, numbered(201));
    expect(texts(await messagesOf(bob.token, "inbox"))).toEqual(numbered(200));
    expect(await messagesOf(bob.token, "inbox?limit=200&ack_delivered=true")).toHaveLength(200);
    expect(texts(await messagesOf(bob.token, "inbox?limit=1"))).toEqual(["m200"]);
  });

  test.each([
    "limit=0",
    "limit=201",
    "limit=-1",
    "limit=1.5",
    "limit=x",
    "limit=",
    "limit=1e3",
    "limit=null",
  ])("calls %s malformed", async (query) => {
    const { token } = await signIn(server.url);
    expect(placesOf(await get(token, `inbox?${query}`))).toEqual(["query.limit"]);
  });

  test.each(["ack_delivered=2", "ack_delivered=", "ack_delivered=ja"])(
    "calls %s malformed",
    async (query) => {
      const { token } = await signIn(server.url);
      expect(placesOf(await get(token, `inbox?${query}`))).toEqual(["query.ack_delivered"]);
    },
  );

  test("two readers at the same time mark everything once", async () => {
    const [ada, bob] = await newPair(server.url);
    const tablet = await newPerson(server.url, "tablet", bob.phone);
    await sendAll(server.url, ada, bob, numbered(10));
    const reads = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        messagesOf(i % 2 ? bob.token : tablet.token, "inbox?ack_delivered=true"),
      ),
    );
    for (const read of reads) expect([0, 10]).toContain(read.length);
    expect(await messagesOf(bob.token, "inbox")).toEqual([]);
  });
});

describe("GET /messages/history", () => {
  test("gives the newest page, oldest first, to both sides with the same flags", async () => {
    const [ada, bob] = await newPair(server.url);
    const sent = await sendAll(server.url, ada, bob, numbered(53));
    const path = `history?conversation_id=${String(sent[0]?.["conversation_id"])}`;
    const page = await messagesOf(bob.token, path);
    expect(texts(page)).toEqual(numbered(53).slice(3));
    expect(await messagesOf(ada.token, path)).toEqual(page);
    expect(texts(await messagesOf(bob.token, `${path}&limit=2`))).toEqual(["m51", "m52"]);
    expect(await messagesOf(bob.token, `${path}&limit=200`)).toHaveLength(53);

    await ack(server.url, bob.token, `${String(sent[51]?.["id"])}/ack_read`);
    await ack(server.url, bob.token, `${String(sent[52]?.["id"])}/ack_delivered`);
    for (const token of [ada.token, bob.token]) {
      expect(await messagesOf(token, `${path}&limit=3`)).toEqual([
        sent[50],
        { ...sent[51], delivered: true, read: true },
        { ...sent[52], delivered: true },
      ]);
    }
  });

  test("pages backwards by message id without gap or repeat", async () => {
    const [ada, bob] = await newPair(server.url);
    const sent = await sendAll(server.url, ada, bob, numbered(11));
    const path = `history?conversation_id=${String(sent[0]?.["conversation_id"])}&limit=4`;
    const pages: unknown[][] = [];
    let before = "";
    for (;;) {
      const page = await messagesOf(bob.token, path + before);
      if (page.length === 0) break;
      pages.unshift(texts(page));
      before = `&before=${String(page[0]?.["id"])}`;
    }
    expect(pages.flat()).toEqual(numbered(11));
    expect(pages).toHaveLength(3);
  });

  test("`before` may be a time, in every ISO spelling", async () => {
    const [ada, bob] = await newPair(server.url);
    clock = start;
    const [first] = await sendAll(server.url, ada, bob, ["old"]);
    clock = start + 3_600_000;
    await sendAll(server.url, ada, bob, ["new"]);
    const path = `history?conversation_id=${String(first?.["conversation_id"])}&before=`;
    const half = [
      "2026-03-01T12:30:00.000Z",
      "2026-03-01T12:30:00Z",
      "2026-03-01T12:30Z",
      "2026-03-01T12:30:00",
      "2026-03-01t12:30:00z",
      "2026-03-01 12:30:00",
      "2026-03-01T12:30:00.123456Z",
      "2026-03-01T12:30:00,5Z",
      "2026-03-01T14:30:00+02:00",
      "2026-03-01T14:30:00+0200",
      "2026-03-01T14:30:00+02",
      "2026-03-01 14:30:00+02:00",
      "2026-03-01T07:30:00-05:00",
      "2026-03-01T12:30:00-00:00",
      "20260301T123000Z",
    ];
    for (const time of half) {
      expect(texts(await messagesOf(bob.token, path + encodeURIComponent(time))), time).toEqual(["old"]);
      // The `+` of a zone is often left as it is.
      expect(texts(await messagesOf(bob.token, path + time.replace(" ", "%20"))), `${time} as it is`).toEqual(
        ["old"],
      );
    }
    expect(texts(await messagesOf(bob.token, `${path}2026-03-01`))).toEqual([]);
    expect(texts(await messagesOf(bob.token, `${path}2026-03-01T12:00:00.000Z`))).toEqual([]);
    expect(texts(await messagesOf(bob.token, `${path}2026-03-01T12:00:00.001Z`))).toEqual(["old"]);
    expect(texts(await messagesOf(bob.token, `${path}9999-12-31`))).toEqual(["old", "new"]);
    expect(texts(await messagesOf(bob.token, path))).toEqual(["old", "new"]);
  });

  test.each([
    "yesterday",
    "2026-13-01",
    "2026-02-30",
    "12:30",
    "1772368200",
    "2026-03-01T25:00Z",
    "x".repeat(65),
  ])("calls before=%s malformed", async (before) => {
    const [ada, bob] = await newPair(server.url);
    const [sent] = await sendAll(server.url, ada, bob, ["a"]);
    const path = `history?conversation_id=${String(sent?.["conversation_id"])}&before=${before}`;
    expect(placesOf(await get(bob.token, path))).toEqual(["query.before"]);
  });

  test("calls a missing or bad conversation and limit malformed", async () => {
    const { token } = await signIn(server.url);
    expect(placesOf(await get(token, "history"))).toEqual(["query.conversation_id"]);
    expect(placesOf(await get(token, "history?conversation_id=x&limit=0")).toSorted()).toEqual([
      "query.conversation_id",
      "query.limit",
    ]);
    for (const limit of ["0", "201", "x"]) {
      const path = `history?conversation_id=${unknownId}&limit=${limit}`;
      expect(placesOf(await get(token, path))).toEqual(["query.limit"]);
    }
  });

  test("`before` a message of another conversation does not exist", async () => {
    const [ada, bob] = await newPair(server.url);
    const eve = await newPerson(server.url);
    const [here] = await sendAll(server.url, ada, bob, ["a"]);
    const [elsewhere] = await sendAll(server.url, ada, eve, ["b"]);
    for (const id of [elsewhere?.["id"], unknownId]) {
      const path = `history?conversation_id=${String(here?.["conversation_id"])}&before=${String(id)}`;
      expect(outcome(await get(ada.token, path))).toEqual({ status: 404, detail: "Message not found" });
    }
  });
});

describe("GET /messages/conversations", () => {
  test("counts unread messages exactly among the newest 10,000 entries", async () => {
    const [ada, bob] = await newPair(server.url);
    const [sent] = await sendAll(server.url, ada, bob, ["1"]);
    const conversation = `'${String(sent?.["conversation_id"])}'`;
    const growTo = (seq: number) =>
      runSql(
        server.database.url,
        `insert into messages (conversation_id, seq, id, sender_user_id, sender_device_id, sent_at, ciphertext)
          select id, s, gen_random_uuid(), '${ada.id}', 'phone', last_entry_at, 'c'
          from conversations, generate_series(last_seq + 1, ${seq}) s where id = ${conversation};
        update conversations set last_seq = ${seq} where id = ${conversation}`,
      );
    const unread = async (): Promise<unknown> =>
      fieldList(await get(bob.token, "conversations_summary"), "conversations")[0]?.["unread_count"];
    await growTo(9_999);
    expect(await unread()).toBe(9_999);
    await growTo(12_000);
    expect(await unread()).toBe(10_000);
  });

  test("lists both sides' conversations, the newest first, with unread counts", async () => {
    const [ada, bob] = await newPair(server.url);
    const eve = await newPerson(server.url);
    clock = start;
    const [one, two] = await sendAll(server.url, ada, bob, ["1", "2"]);
    clock = start + 1_000;
    await sendAll(server.url, eve, bob, ["3"]);
    const [user_a, user_b] = [ada.id, bob.id].toSorted();
    const withAda = {
      id: one?.["conversation_id"],
      user_a,
      user_b,
      last_message_at: "2026-03-01T12:00:00.000Z",
      is_group: false,
      name: null,
    };
    const listed = fieldList(await get(bob.token, "conversations"), "conversations");
    expect(listed).toHaveLength(2);
    expect(listed[1]).toEqual(withAda);
    expect(listed[0]).toMatchObject({ last_message_at: "2026-03-01T12:00:01.000Z" });

    const unread = async (token: string): Promise<unknown[]> =>
      fieldList(await get(token, "conversations_summary"), "conversations").map((c) => c["unread_count"]);
    expect(fieldList(await get(bob.token, "conversations_summary"), "conversations")[1]).toEqual({
      ...withAda,
      unread_count: 2,
    });
    expect(await unread(bob.token)).toEqual([1, 2]);
    expect(await unread(ada.token)).toEqual([0]);
    await ack(server.url, bob.token, `${String(two?.["id"])}/ack_delivered`);
    expect(await unread(bob.token)).toEqual([1, 2]);
    await ack(server.url, bob.token, `${String(two?.["id"])}/ack_read`);
    expect(await unread(bob.token)).toEqual([1, 1]);
    clock = start + 2_000;
    await sendAll(server.url, bob, ada, ["4"]);
    expect(await unread(bob.token)).toEqual([1, 1]);
    expect(fieldList(await get(bob.token, "conversations"), "conversations")[0]?.["id"]).toBe(withAda.id);
  });

  test("is empty at first, and without conversations that were only opened", async () => {
    const [ada, bob] = await newPair(server.url);
    await rest(server.url, "POST /conversations/direct", {
      token: ada.token,
      body: { peer_user_id: bob.id },
    });
    for (const path of ["conversations", "conversations_summary"]) {
      expect((await get(ada.token, path)).body).toEqual({ conversations: [] });
    }
  });
});

test("to a stranger neither messages nor conversations exist", async () => {
  const [ada, bob] = await newPair(server.url);
  const eve = await newPerson(server.url);
  const [message] = await sendAll(server.url, ada, bob, ["a"]);
  const id = String(message?.["id"]);
  const noMessage = { status: 404, detail: "Message not found" };
  for (const each of [id, unknownId]) {
    for (const route of [
      `POST /messages/${each}/ack_delivered`,
      `POST /messages/${each}/ack_read`,
      `POST /messages/${each}/ack_delivered_device?device_id=phone`,
      `POST /messages/${each}/ack_read_device?device_id=phone`,
      `GET /messages/${each}/receipts`,
    ]) {
      expect(outcome(await rest(server.url, route, { token: eve.token })), route).toEqual(noMessage);
    }
  }
  for (const each of [String(message?.["conversation_id"]), unknownId]) {
    const answer = await get(eve.token, `history?conversation_id=${each}&before=${id}`);
    expect(outcome(answer)).toEqual({ status: 404, detail: "Conversation not found" });
  }
  expect(await messagesOf(eve.token, "inbox")).toEqual([]);
});
