import { afterAll, describe, expect, test } from "vitest";
import { signIn, type Json, type RestAnswer } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";
import { listOf, outcome, placesOf, rest } from "./described-rest.ts";
import { ack, newPair, newPerson, sendAll } from "./people.ts";

const start = Date.UTC(2026, 2, 1, 12);
let clock = start;
const server = await startTestServer({
  now: () => new Date(clock),
  env: { JWT_EXPIRES_MINUTES: "5256000" },
});
afterAll(() => server[Symbol.asyncDispose]());

const post = (token: string, path: string, body?: object): Promise<RestAnswer> =>
  rest(server.url, `POST /messages/${path}`, { token, body });
const receiptsOf = async (token: string, id: unknown): Promise<Json[]> =>
  listOf(await rest(server.url, `GET /messages/${String(id)}/receipts`, { token }));

test("receipts name every device of the recipient, with the exact times", async () => {
  const [ada, bob] = await newPair(server.url);
  const tablet = await newPerson(server.url, "tablet", bob.phone);
  const [message] = await sendAll(server.url, ada, bob, ["a"]);
  const none = { user_id: bob.id, delivered: false, read: false, delivered_at: null, read_at: null };
  for (const token of [ada.token, bob.token]) {
    expect(await receiptsOf(token, message?.["id"])).toEqual([
      { device_id: "phone", ...none },
      { device_id: "tablet", ...none },
    ]);
  }
  clock = start + 1_000;
  await ack(server.url, bob.token, `${String(message?.["id"])}/ack_delivered`);
  clock = start + 2_000;
  await ack(server.url, tablet.token, `${String(message?.["id"])}/ack_read`);
  clock = start + 3_000;
  await ack(server.url, bob.token, `${String(message?.["id"])}/ack_read`);
  const at = (seconds: number): string => new Date(start + seconds * 1_000).toISOString();
  expect(await receiptsOf(ada.token, message?.["id"])).toEqual([
    {
      ...none,
      device_id: "phone",
      delivered: true,
      read: true,
      delivered_at: at(1),
      read_at: at(3),
    },
    {
      ...none,
      device_id: "tablet",
      delivered: true,
      read: true,
      delivered_at: at(2),
      read_at: at(2),
    },
  ]);
});

test("acknowledging again changes nothing, and tells nobody again", async () => {
  const [ada, bob] = await newPair(server.url);
  await using watching = await WsClient.connect(server.url, { token: ada.token });
  const [first, second] = await sendAll(server.url, ada, bob, ["a", "b"]);
  clock = start;
  for (let i = 0; i < 3; i++) {
    clock += 1_000;
    await ack(server.url, bob.token, `${String(first?.["id"])}/ack_read`);
    await ack(server.url, bob.token, `${String(first?.["id"])}/ack_delivered`);
  }
  await ack(server.url, bob.token, `${String(second?.["id"])}/ack_read`);
  await watching.until("the second read", () => watching.ofType("read").length >= 2);
  expect(await receiptsOf(ada.token, first?.["id"])).toMatchObject([
    { delivered_at: new Date(start + 1_000).toISOString(), read_at: new Date(start + 1_000).toISOString() },
  ]);
  for (const type of ["delivered", "read"]) {
    expect(watching.ofType(type).map((frame) => frame["message_id"])).toEqual([
      first?.["id"],
      second?.["id"],
    ]);
  }
  expect(watching.ofType("read")[0]).toMatchObject({ user_id: bob.id, device_id: "phone", log: ada.id });
});

test("a user without devices has receipts of nobody, and the flags all the same", async () => {
  const ada = await newPerson(server.url);
  const bob = await signIn(server.url);
  const [message] = await sendAll(server.url, ada, bob, ["a"]);
  await ack(server.url, bob.token, `${String(message?.["id"])}/ack_read`);
  expect(await receiptsOf(ada.token, message?.["id"])).toEqual([]);
  const path = `/messages/history?conversation_id=${String(message?.["conversation_id"])}`;
  const history = await rest(server.url, `GET ${path}`, { token: ada.token });
  expect(history.body).toMatchObject({ messages: [{ delivered: true, read: true }] });
});

test("the sender has nothing to acknowledge in what it sent", async () => {
  const [ada, bob] = await newPair(server.url);
  const [message] = await sendAll(server.url, ada, bob, ["a"]);
  for (const path of ["ack_delivered", "ack_read", "ack_read_device?device_id=phone"]) {
    const answer = await post(ada.token, `${String(message?.["id"])}/${path}`);
    expect(outcome(answer)).toEqual({ status: 404, detail: "Message not found" });
  }
});

describe.each(["delivered", "read"])("ack_%s_device", (kind) => {
  test("marks the named device, whichever of the user's tokens says so", async () => {
    const [ada, bob] = await newPair(server.url);
    await newPerson(server.url, "tablet", bob.phone);
    const [message] = await sendAll(server.url, ada, bob, ["a"]);
    const id = String(message?.["id"]);
    for (let i = 0; i < 2; i++) {
      const answer = await post(bob.token, `${id}/ack_${kind}_device?device_id=tablet`);
      expect(answer.body).toEqual({ detail: "ok" });
    }
    expect(await receiptsOf(ada.token, id)).toMatchObject([
      { device_id: "phone", delivered: false, read: false },
      { device_id: "tablet", delivered: true, read: kind === "read" },
    ]);
  });

  test("takes the device from the query or the body, and the query wins", async () => {
    const [ada, bob] = await newPair(server.url);
    await newPerson(server.url, "tablet", bob.phone);
    const [one, two, three] = await sendAll(server.url, ada, bob, ["a", "b", "c"]);
    await post(bob.token, `${String(one?.["id"])}/ack_${kind}_device`, { device_id: "tablet" });
    await post(bob.token, `${String(two?.["id"])}/ack_${kind}_device?device_id=tablet`, {
      device_id: "phone",
    });
    await post(bob.token, `${String(three?.["id"])}/ack_${kind}_device?device_id=tablet`, {
      device_id: "nobody's",
    });
    for (const message of [one, two, three]) {
      const rows = await receiptsOf(ada.token, message?.["id"]);
      expect(rows.map((row) => row[kind])).toEqual([false, true]);
    }
  });

  test("refuses a device that is not the caller's", async () => {
    const ada = await newPerson(server.url, "ada's");
    const bob = await newPerson(server.url);
    const [message] = await sendAll(server.url, ada, bob, ["a"]);
    for (const device of ["ada's", "unknown"]) {
      const path = `${String(message?.["id"])}/ack_${kind}_device?device_id=${device}`;
      expect(outcome(await post(bob.token, path))).toEqual({ status: 403, detail: "Invalid device" });
    }
    const missing = await post(bob.token, `${String(message?.["id"])}/ack_${kind}_device`);
    expect(placesOf(missing)).toEqual(["query.device_id"]);
    const long = await post(bob.token, `${String(message?.["id"])}/ack_${kind}_device`, {
      device_id: "x".repeat(65),
    });
    expect(placesOf(long).map((place) => place.split(".")[1])).toEqual(["device_id"]);
  });
});

test("more acks at once than there are database connections all come through", async () => {
  await using small = await startTestServer({ database: server.database, env: { DB_POOL_SIZE: "2" } });
  const [ada, bob] = await newPair(small.url);
  const sent = await sendAll(
    small.url,
    ada,
    bob,
    Array.from({ length: 12 }, (_, i) => `m${i}`),
  );
  const answers = await Promise.all(
    sent.map((message) =>
      rest(small.url, `POST /messages/${String(message["id"])}/ack_read_device?device_id=phone`, {
        token: bob.token,
      }),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200));
});

test("a device that came later has what it acknowledges itself", async () => {
  const [ada, bob] = await newPair(server.url);
  const [one, two] = await sendAll(server.url, ada, bob, ["a", "b"]);
  await ack(server.url, bob.token, `${String(two?.["id"])}/ack_delivered`);
  await ack(server.url, bob.token, `${String(one?.["id"])}/ack_delivered`);
  clock += 1_000;
  const late = await newPerson(server.url, "late", bob.phone);
  await ack(server.url, late.token, `${String(two?.["id"])}/ack_read`);
  expect(await receiptsOf(ada.token, two?.["id"])).toMatchObject([
    { device_id: "phone", delivered: true, read: false },
    { device_id: "late", delivered: true, read: true },
  ]);
  expect(await receiptsOf(ada.token, one?.["id"])).toMatchObject([
    { device_id: "phone", delivered: true, read: false },
    { device_id: "late", delivered: false, read: false },
  ]);
});
