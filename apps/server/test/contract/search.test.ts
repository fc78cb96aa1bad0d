import { afterAll, expect, test } from "vitest";
import type { Json, RestAnswer } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { unknownId } from "./contract-routes.ts";
import { fieldList, outcome, placesOf, rest } from "./described-rest.ts";
import { newPair, newPerson, sendAll, type DevicePerson } from "./people.ts";

const start = Date.UTC(2026, 2, 1, 12);
let clock = start;
const server = await startTestServer({
  now: () => new Date(clock),
  env: { JWT_EXPIRES_MINUTES: "5256000" },
});
afterAll(() => server[Symbol.asyncDispose]());

const at = (ms: number): string => new Date(start + ms).toISOString();

interface Talk {
  ada: DevicePerson;
  bob: DevicePerson;
  id: string;
  sent: Json[];
}

/** Two people who send in turn, ten milliseconds apart: even texts are Ada's, odd ones Bob's. */
async function newTalk(count: number): Promise<Talk> {
  clock = start;
  const [ada, bob] = await newPair(server.url);
  const sent: Json[] = [];
  for (let i = 0; i < count; i++) {
    clock = start + i * 10;
    const [from, to] = i % 2 === 0 ? [ada, bob] : [bob, ada];
    sent.push(...(await sendAll(server.url, { ...from, deviceId: `phone${i % 2}` }, to, [`m${i}`])));
  }
  return { ada, bob, id: String(sent[0]?.["conversation_id"]), sent };
}

function search(token: string, query: Record<string, string>, isRaw = false): Promise<RestAnswer> {
  const text = isRaw
    ? Object.entries(query)
        .map(([key, value]) => `${key}=${value}`)
        .join("&")
    : new URLSearchParams(query).toString();
  return rest(server.url, `GET /messages/search?${text}`, { token });
}

async function find(talk: Talk, query: Record<string, string>, isRaw = false): Promise<unknown[]> {
  const answer = await search(talk.ada.token, { conversation_id: talk.id, ...query }, isRaw);
  return fieldList(answer, "messages").map(({ ciphertext }) => ciphertext);
}

test("without filters it is the history", async () => {
  const talk = await newTalk(4);
  const answer = await search(talk.bob.token, { conversation_id: talk.id });
  expect(answer.body).toEqual({ messages: talk.sent });
  const history = await rest(server.url, `GET /messages/history?conversation_id=${talk.id}`, talk.bob);
  expect(history.body).toEqual(answer.body);
});

test("filters by device, time and attachments, alone and together", async () => {
  const talk = await newTalk(6);
  expect(await find(talk, { sender_device_id: "phone1" })).toEqual(["m1", "m3", "m5"]);
  expect(await find(talk, { sender_device_id: "none" })).toEqual([]);
  expect(await find(talk, { since: at(30) })).toEqual(["m3", "m4", "m5"]);
  expect(await find(talk, { since: at(31) })).toEqual(["m4", "m5"]);
  expect(await find(talk, { until: at(20) })).toEqual(["m0", "m1", "m2"]);
  expect(await find(talk, { until: at(19) })).toEqual(["m0", "m1"]);
  expect(await find(talk, { since: at(10), until: at(40), sender_device_id: "phone1" })).toEqual([
    "m1",
    "m3",
  ]);
  expect(await find(talk, { since: at(40), until: at(10) })).toEqual([]);
  expect(await find(talk, { has_attachments: "true" })).toEqual([]);
  expect(await find(talk, { has_attachments: "false", limit: "2" })).toEqual(["m4", "m5"]);
});

test("reads times as history reads `before`, with a zone's plus in the query string", async () => {
  const talk = await newTalk(3);
  expect(await find(talk, { since: "2026-03-01T13:00:00.010+01:00" }, true)).toEqual(["m1", "m2"]);
  expect(await find(talk, { since: "2026-03-01T12:00:00.010" })).toEqual(["m1", "m2"]);
  expect(await find(talk, { until: "20260301T120000,010Z" })).toEqual(["m0", "m1"]);
  expect(await find(talk, { since: "2026-03-02", until: "" })).toEqual([]);
});

test("gives the newest that match, 50 unless told, and the older by `before`", async () => {
  const talk = await newTalk(120);
  expect(await find(talk, {})).toHaveLength(50);
  const pages: unknown[][] = [];
  let before = "";
  for (;;) {
    const query = {
      conversation_id: talk.id,
      sender_device_id: "phone0",
      since: at(100),
      limit: "7",
      before,
    };
    const page = fieldList(await search(talk.ada.token, query), "messages");
    if (page.length === 0) break;
    pages.unshift(page.map(({ ciphertext }) => ciphertext));
    before = String(page[0]?.["id"]);
  }
  const expected = Array.from({ length: 55 }, (_, i) => `m${10 + 2 * i}`);
  expect(pages.flat()).toEqual(expected);
  expect(await find(talk, { before: at(20) })).toEqual(["m0", "m1"]);
});

test.each([
  ["limit=0", ["query.limit"]],
  ["limit=201", ["query.limit"]],
  ["limit=x", ["query.limit"]],
  ["has_attachments=maybe", ["query.has_attachments"]],
  ["since=yesterday", ["query.since"]],
  ["until=2026-02-30", ["query.until"]],
  ["before=soon", ["query.before"]],
  [`sender_device_id=${"x".repeat(65)}`, ["query.sender_device_id"]],
])("refuses %s", async (query, places) => {
  const { ada, id } = await newTalk(1);
  const route = `GET /messages/search?conversation_id=${id}&${query}`;
  expect(placesOf(await rest(server.url, route, { token: ada.token }))).toEqual(places);
});

test("needs a conversation, and one that the caller is or was in", async () => {
  const { ada, id, sent } = await newTalk(1);
  const eve = await newPerson(server.url);
  expect(placesOf(await rest(server.url, "GET /messages/search", ada))).toEqual(["query.conversation_id"]);
  for (const conversation_id of [id, unknownId]) {
    const answer = await search(eve.token, { conversation_id, before: String(sent[0]?.["id"]) });
    expect(outcome(answer)).toEqual({ status: 404, detail: "Conversation not found" });
  }
  const answer = await search(ada.token, { conversation_id: id, before: unknownId });
  expect(outcome(answer)).toEqual({ status: 404, detail: "Message not found" });
  expect((await rest(server.url, `GET /messages/search?conversation_id=${id}`)).status).toBe(401);
});
