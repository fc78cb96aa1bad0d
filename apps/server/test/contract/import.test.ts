import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { afterAll, describe, expect, test } from "vitest";
import type { Json, RestAnswer } from "../rest-client.ts";
import { runSql } from "../sql.ts";
import { startTestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";
import { unknownId } from "./contract-routes.ts";
import { fieldList, outcome, placesOf, rest } from "./described-rest.ts";
import { newPair, newPerson, sendAll, type DevicePerson } from "./people.ts";
import { aTime, aUuidV7 } from "./shapes.ts";

const server = await startTestServer();
const other = await startTestServer({ database: server.database });
afterAll(async () => {
  await other[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

interface Talk {
  ada: DevicePerson;
  bob: DevicePerson;
  id: string;
  sent: Json[];
}

async function newTalk(texts = ["live"]): Promise<Talk> {
  const [ada, bob] = await newPair(server.url);
  const sent = await sendAll(server.url, ada, bob, texts);
  return { ada, bob, id: String(sent[0]?.["conversation_id"]), sent };
}

interface Import {
  by: DevicePerson;
  id: string;
  messages: unknown;
  url?: string;
  headers?: Record<string, string>;
}

function put({ by, id, messages, url = server.url, headers = {} }: Import): Promise<RestAnswer> {
  const route = `POST /messages/import?conversation_id=${id}`;
  return rest(url, route, { token: by.token, body: { messages }, headers });
}

const created = (answer: RestAnswer): unknown[] => {
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  expect(answer.body["detail"]).toBe("ok");
  return answer.body["created"] as unknown[];
};

async function historyOf(reader: DevicePerson, id: string): Promise<Json[]> {
  const answer = await rest(server.url, `GET /messages/history?conversation_id=${id}`, reader);
  return fieldList(answer, "messages");
}

const texts = (messages: Json[]): string[] => messages.map(({ ciphertext }) => String(ciphertext));
const item = (ciphertext: string, sent_at = "2020-01-01T00:00:00Z"): Json => ({ ciphertext, sent_at });

test("the importer sees it in its place, delivered and read; nobody else sees it", async () => {
  const { ada, bob, id, sent } = await newTalk();
  const messages = [
    { ...item("old"), sender_device_id: "laptop", sender_user_id: bob.id, wrap: "w" },
    { ciphertext: "new" },
  ];
  const ids = created(await put({ by: ada, id, messages }));
  expect(ids).toEqual([aUuidV7, aUuidV7]);
  const common = { conversation_id: id, delivered: true, read: true };
  expect(await historyOf(ada, id)).toEqual([
    {
      ...common,
      id: ids[0],
      ciphertext: "old",
      wrap: "w",
      sender_user_id: bob.id,
      sender_device_id: "laptop",
      recipient_user_id: ada.id,
      sent_at: "2020-01-01T00:00:00.000Z",
    },
    sent[0],
    {
      ...common,
      id: ids[1],
      ciphertext: "new",
      wrap: null,
      sender_user_id: ada.id,
      sender_device_id: "imported",
      recipient_user_id: bob.id,
      sent_at: aTime,
    },
  ]);
  expect(await historyOf(bob, id)).toEqual(sent);
  const searched = await rest(
    server.url,
    `GET /messages/search?conversation_id=${id}&sender_device_id=laptop`,
    ada,
  );
  expect(texts(fieldList(searched, "messages"))).toEqual(["old"]);
});

test("it is no news: no frame, no entry, no unread message, nothing in an inbox", async () => {
  const { ada, bob, id } = await newTalk();
  const before = await rest(server.url, "GET /messages/conversations_summary", bob);
  await using socket = await WsClient.connect(server.url, { token: bob.token });
  created(
    await put({ by: bob, id, messages: [{ ...item("a"), sender_user_id: ada.id }, { ciphertext: "b" }] }),
  );
  expect((await rest(server.url, "GET /messages/conversations_summary", bob)).body).toEqual(before.body);
  expect(texts(fieldList(await rest(server.url, "GET /messages/inbox", bob), "messages"))).toEqual(["live"]);
  const [next] = await sendAll(server.url, ada, bob, ["next"]);
  expect(await socket.next("message")).toMatchObject({ seq: 2, message: { id: next?.["id"] } });
  expect(socket.frames).toHaveLength(1);
});

describe("again", () => {
  test("the same items add nothing, and what is new among them is added", async () => {
    const { ada, id } = await newTalk();
    const messages = [item("a"), item("b"), item("a"), { ciphertext: "untimed" }];
    expect(created(await put({ by: ada, id, messages }))).toHaveLength(4);
    expect(created(await put({ by: ada, id, messages }))).toEqual([]);
    const ids = created(await put({ by: ada, id, messages: [item("c"), ...messages, item("a")] }));
    expect(ids).toHaveLength(2);
    const history = await historyOf(ada, id);
    expect(texts(history).toSorted()).toEqual(["a", "a", "a", "b", "c", "live", "untimed"]);
    const byId = new Map(history.map((message) => [message["id"], message["ciphertext"]]));
    expect(ids.map((each) => byId.get(each))).toEqual(["c", "a"]);
  });

  test("an item with an id is known by it, whatever it says", async () => {
    const { ada, id } = await newTalk();
    const given = "01999999-9999-7999-8999-00000000000a";
    const first = created(
      await put({
        by: ada,
        id,
        messages: [
          { id: given, ...item("a") },
          { id: given, ...item("b") },
        ],
      }),
    );
    expect(first).toEqual([aUuidV7]);
    expect(first).not.toContain(given);
    expect(created(await put({ by: ada, id, messages: [{ id: given, ...item("c") }] }))).toEqual([]);
    expect(texts(await historyOf(ada, id))).toEqual(["a", "live"]);
  });

  test("what stands in the conversation is copied once; what the copy is given as, never", async () => {
    const { ada, id, sent } = await newTalk(["1", "2"]);
    expect(created(await put({ by: ada, id, messages: sent }))).toHaveLength(2);
    expect(created(await put({ by: ada, id, messages: await historyOf(ada, id) }))).toEqual([]);
    expect(texts(await historyOf(ada, id)).toSorted()).toEqual(["1", "1", "2", "2"]);
  });

  test("at the same time on two processes, each item is added once", async () => {
    const { ada, id } = await newTalk();
    const messages = Array.from({ length: 1500 }, (_, i) => item(`m${i}`));
    const answers = await Promise.all(
      [0, 1, 2, 3].map((i) => put({ by: ada, id, messages, url: i % 2 === 0 ? server.url : other.url })),
    );
    expect(answers.map((answer) => created(answer).length).toSorted((a, b) => a - b)).toEqual([
      0, 0, 0, 1500,
    ]);
  });

  test("with an Idempotency-Key the first answer comes again", async () => {
    const { ada, id } = await newTalk();
    const request = { by: ada, id, messages: [item("a")], headers: { "idempotency-key": "k" } };
    const first = await put(request);
    expect(created(first)).toHaveLength(1);
    expect((await put(request)).body).toEqual(first.body);
    expect((await put({ ...request, messages: [item("b")] })).status).toBe(409);
  });

  test("each user has imports of their own", async () => {
    const { ada, bob, id } = await newTalk();
    const messages = [{ id: unknownId, ...item("a") }];
    const mine = created(await put({ by: ada, id, messages }));
    const theirs = created(await put({ by: bob, id, messages }));
    expect(theirs).toHaveLength(1);
    expect(theirs).not.toEqual(mine);
  });
});

test("of a sender who is and was no member nothing is believed", async () => {
  const { ada, id } = await newTalk();
  const eve = await newPerson(server.url);
  created(await put({ by: ada, id, messages: [{ ...item("a"), sender_user_id: eve.id }] }));
  expect((await historyOf(ada, id))[0]).toMatchObject({ sender_user_id: ada.id });
});

describe("refuses", () => {
  test("nonsense item by item, 20 at most, and then stores nothing", async () => {
    const { ada, id } = await newTalk();
    const bad = [
      {},
      { ciphertext: "" },
      { ciphertext: 1 },
      { ciphertext: "a\0" },
      "text",
      null,
      { ...item("a"), sent_at: 5 },
      { ...item("a"), id: "m-1" },
      { ...item("a"), id: "01999999-9999-7999-8999-00000000000A" },
      { ...item("a"), sender_device_id: "x".repeat(65) },
      { ...item("a"), sender_user_id: "me" },
      { ...item("a"), wrap: "x".repeat(5_000) },
    ];
    const fields = ["ciphertext", "ciphertext", "ciphertext", "ciphertext", "", "", "sent_at", "id", "id"];
    const places = [...fields, "sender_device_id", "sender_user_id", "wrap"].map((field, i) =>
      ["body.messages", i + 1, field].filter((part) => part !== "").join("."),
    );
    expect(placesOf(await put({ by: ada, id, messages: [item("good"), ...bad] }))).toEqual(places);
    const many = await put({
      by: ada,
      id,
      messages: [item("good"), ...Array.from({ length: 50 }, () => ({}))],
    });
    expect(placesOf(many)).toHaveLength(20);
    expect(texts(await historyOf(ada, id))).toEqual(["live"]);
  });

  test("times that are none, before 1970 or in the future, and a ciphertext that is too large", async () => {
    const { ada, id } = await newTalk();
    const times = ["yesterday", "2026-02-30", "1969-12-31T23:59:59Z", "0000-01-01", "9999-12-31"];
    const messages = [item("good"), ...times.map((time) => item("a", time)), item("é".repeat(131_073))];
    expect(placesOf(await put({ by: ada, id, messages }))).toEqual([
      ...times.map((_, i) => `body.messages.${i + 1}.sent_at`),
      "body.messages.6.ciphertext",
    ]);
    const many = await put({ by: ada, id, messages: Array.from({ length: 50 }, () => item("a", "x")) });
    expect(placesOf(many)).toHaveLength(20);
    expect(texts(await historyOf(ada, id))).toEqual(["live"]);
  });

  test("a body that is no import, or of another version", async () => {
    const { ada, id } = await newTalk();
    const route = `POST /messages/import?conversation_id=${id}`;
    const post = (body: unknown): Promise<RestAnswer> => rest(server.url, route, { token: ada.token, body });
    expect(placesOf(await post({}))).toEqual(["body.messages"]);
    expect(placesOf(await post({ messages: {} }))).toEqual(["body.messages"]);
    expect(placesOf(await post({ version: 2, messages: [] }))).toEqual(["body.version"]);
    expect(placesOf(await post([]))).toEqual(["body"]);
    const withoutId = { token: ada.token, body: { messages: [] } };
    expect(placesOf(await rest(server.url, "POST /messages/import", withoutId))).toEqual([
      "query.conversation_id",
    ]);
    expect(created(await post({ messages: [] }))).toEqual([]);
  });

  test("more than 100,000 items, or more than 32 MiB", async () => {
    const { ada, id } = await newTalk();
    const messages = Array.from({ length: 100_001 }, () => item("a"));
    expect(placesOf(await put({ by: ada, id, messages }))).toEqual(["body.messages"]);
    const large = JSON.stringify({ messages: [{ ciphertext: "x".repeat(33_554_432) }] });
    const route = `POST /messages/import?conversation_id=${id}`;
    const answer = await rest(server.url, route, { token: ada.token, body: large });
    expect(outcome(answer)).toEqual({ status: 413, detail: "Payload too large" });
  });

  test("a large body of nobody without reading it", async () => {
    const sent = request(`${server.url}/messages/import?conversation_id=${unknownId}`, {
      method: "POST",
      headers: { "content-type": "application/json", "content-length": String(33_554_432) },
    });
    sent.on("error", () => {});
    sent.write('{"messages":[');
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    expect(response.statusCode).toBe(401);
    sent.destroy();
  });

  test("more than 5,000,000 messages of one user", async () => {
    const { ada, id } = await newTalk();
    await runSql(
      server.database.url,
      `insert into import_totals (user_id, messages) values ('${ada.id}', 4999999)`,
    );
    expect(outcome(await put({ by: ada, id, messages: [item("a"), item("b")] }))).toEqual({
      status: 409,
      detail: "Too many imported messages",
    });
    expect(created(await put({ by: ada, id, messages: [item("b")] }))).toHaveLength(1);
    expect(created(await put({ by: ada, id, messages: [item("b")] }))).toEqual([]);
  });

  test("strangers, and nobody else: who left may import", async () => {
    const { ada, bob, id } = await newTalk();
    const eve = await newPerson(server.url);
    const none = { status: 404, detail: "Conversation not found" };
    for (const each of [id, unknownId]) {
      expect(outcome(await put({ by: eve, id: each, messages: [item("a")] }))).toEqual(none);
    }
    expect((await rest(server.url, `POST /messages/import?conversation_id=${id}`, { body: {} })).status).toBe(
      401,
    );
    await runSql(
      server.database.url,
      `update conversation_members set to_seq = 1 where conversation_id = '${id}' and user_id = '${bob.id}'`,
    );
    expect(
      created(await put({ by: bob, id, messages: [{ ...item("a"), sender_user_id: ada.id }] })),
    ).toHaveLength(1);
    expect((await historyOf(bob, id))[0]).toMatchObject({ ciphertext: "a", sender_user_id: ada.id });
  });
});

test("an imported message is nothing to react to, to acknowledge or to ask receipts of", async () => {
  const { ada, id } = await newTalk();
  const [mine] = created(await put({ by: ada, id, messages: [item("a")] }));
  for (const route of ["POST ack_read", "GET receipts", "GET reactions"]) {
    const [method, path] = route.split(" ");
    const answer = await rest(server.url, `${method} /messages/${String(mine)}/${path}`, ada);
    expect(outcome(answer), route).toEqual({ status: 404, detail: "Message not found" });
  }
});

test("while 100,000 items are stored, the process goes on answering", { timeout: 120_000 }, async () => {
  const { ada, bob, id } = await newTalk();
  const messages = Array.from({ length: 100_000 }, (_, i) => item(`${i}-`.padEnd(100, "x")));
  let isStored = false;
  const stored = put({ by: ada, id, messages }).finally(() => (isStored = true));
  let answered = 0;
  while (!isStored) {
    await sendAll(server.url, bob, ada, ["meanwhile"]);
    answered++;
  }
  expect(created(await stored)).toHaveLength(100_000);
  expect(answered).toBeGreaterThan(10);
});
