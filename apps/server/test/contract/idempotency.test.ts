import { afterAll, describe, expect, test } from "vitest";
import type { RestAnswer } from "../rest-client.ts";
import { newGroup } from "../groups.ts";
import { startTestServer } from "../test-server.ts";
import { fieldList, outcome, rest } from "./described-rest.ts";
import { newPair, newPerson } from "./people.ts";

// Two processes' worth of server on one database, without Redis between them.
const server = await startTestServer();
const other = await startTestServer({ database: server.database });
afterAll(async () => {
  await other[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});
const urls = [server.url, other.url];

interface Sending {
  url?: string;
  token: string;
  to: string;
  body?: object;
  key?: string;
}

function send({ url = server.url, token, to, body = {}, key }: Sending): Promise<RestAnswer> {
  return rest(url, "POST /messages/send", {
    token,
    body: { recipient_user_id: to, sender_device_id: "phone", ciphertext: "c", ...body },
    headers: key === undefined ? {} : { "idempotency-key": key },
  });
}

async function inboxOf(token: string): Promise<unknown[]> {
  return fieldList(await rest(server.url, "GET /messages/inbox", { token }), "messages");
}

const reusedId = { status: 409, detail: "client_message_id was used for another message" };
const reusedKey = { status: 409, detail: "Idempotency-Key was used for another request" };

describe.each([
  ["client_message_id", { body: { client_message_id: "m-1" } }],
  ["Idempotency-Key", { key: "k-1" }],
  ["both", { body: { client_message_id: "m-2" }, key: "k-2" }],
])("%s", (_, once) => {
  test("gives the first answer again, one after the other and on another server", async () => {
    const [ada, bob] = await newPair(server.url);
    const first = await send({ token: ada.token, to: bob.id, ...once });
    expect(first.status).toBe(200);
    for (const url of urls) {
      const again = await send({ url, token: ada.token, to: bob.id, ...once });
      expect(again.body).toEqual(first.body);
    }
    expect(await inboxOf(bob.token)).toEqual([first.body]);
  });

  test("does it once when twenty arrive at the same time on two servers", async () => {
    const [ada, bob] = await newPair(server.url);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        send({ url: urls[i % 2] ?? "", token: ada.token, to: bob.id, ...once }),
      ),
    );
    for (const { status, body } of answers) {
      expect(status).toBe(200);
      expect(body).toEqual(answers[0]?.body);
    }
    expect(await inboxOf(bob.token)).toHaveLength(1);
  });

  test("holds after a restart", async () => {
    const [ada, bob] = await newPair(server.url);
    let first: RestAnswer;
    {
      await using before = await startTestServer({ database: server.database });
      first = await send({ url: before.url, token: ada.token, to: bob.id, ...once });
    }
    await using after = await startTestServer({ database: server.database });
    const again = await send({ url: after.url, token: ada.token, to: bob.id, ...once });
    expect(again.body).toEqual(first.body);
    expect(await inboxOf(bob.token)).toHaveLength(1);
  });

  test("gives the first answer also when the message has been read since", async () => {
    const [ada, bob] = await newPair(server.url);
    const first = await send({ token: ada.token, to: bob.id, ...once });
    await rest(server.url, `POST /messages/${String(first.body["id"])}/ack_read`, { token: bob.token });
    expect((await send({ token: ada.token, to: bob.id, ...once })).body).toEqual(first.body);
  });
});

describe("client_message_id", () => {
  const body = { client_message_id: "same" };

  test("with another content is a conflict, and nothing is stored", async () => {
    const [ada, bob] = await newPair(server.url);
    const first = await send({ token: ada.token, to: bob.id, body });
    const again = await send({ token: ada.token, to: bob.id, body: { ...body, ciphertext: "other" } });
    expect(outcome(again)).toEqual(reusedId);
    expect(await inboxOf(bob.token)).toEqual([first.body]);
  });

  test("of several contents at once one wins, and the others are conflicts", async () => {
    const [ada, bob] = await newPair(server.url);
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        send({
          url: urls[i % 2] ?? "",
          token: ada.token,
          to: bob.id,
          body: { ...body, ciphertext: `c${i}` },
        }),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const answer of answers.filter(({ status }) => status !== 200)) {
      expect(outcome(answer)).toEqual(reusedId);
    }
    expect(await inboxOf(bob.token)).toHaveLength(1);
  });

  test("is the device's own, in one conversation", async () => {
    const [ada, bob] = await newPair(server.url);
    const eve = await newPerson(server.url);
    const ids = new Set<unknown>();
    for (const sending of [
      { token: ada.token, to: bob.id, body },
      { token: ada.token, to: eve.id, body },
      { token: ada.token, to: bob.id, body: { ...body, sender_device_id: "other" } },
      { token: bob.token, to: ada.id, body },
      { token: bob.token, to: ada.id, body: { client_message_id: "SAME" } },
    ]) {
      ids.add((await send(sending)).body["id"]);
    }
    expect(ids.size).toBe(5);
  });
});

describe("Idempotency-Key", () => {
  test("with another body, or for another route, is a conflict", async () => {
    const [ada, bob] = await newPair(server.url);
    await send({ token: ada.token, to: bob.id, key: "k" });
    const again = await send({ token: ada.token, to: bob.id, key: "k", body: { ciphertext: "other" } });
    expect(outcome(again)).toEqual(reusedKey);
    const elsewhere = await rest(server.url, "POST /conversations/direct", {
      token: ada.token,
      body: { peer_user_id: bob.id },
      headers: { "idempotency-key": "k" },
    });
    expect(outcome(elsewhere)).toEqual(reusedKey);
    expect(await inboxOf(bob.token)).toHaveLength(1);
  });

  test("stands for the answer to a repeated client_message_id too", async () => {
    const [ada, bob] = await newPair(server.url);
    const once = { token: ada.token, to: bob.id, body: { client_message_id: "m" } };
    const first = await send(once);
    expect((await send({ ...once, key: "k" })).body).toEqual(first.body);
    expect(outcome(await send({ ...once, key: "k", body: { ciphertext: "other" } }))).toEqual(reusedKey);
    expect(await inboxOf(bob.token)).toEqual([first.body]);
  });

  test("is the user's own, on whichever token", async () => {
    const [ada, bob] = await newPair(server.url);
    const web = await newPerson(server.url, "web", ada.phone);
    const body = { sender_device_id: "a label" };
    const first = await send({ token: ada.token, to: bob.id, key: "k", body });
    expect((await send({ token: web.token, to: bob.id, key: "k", body })).body).toEqual(first.body);
    expect((await send({ token: bob.token, to: ada.id, key: "k", body })).body).not.toEqual(first.body);
  });

  test("of a refused request may be used again", async () => {
    const [ada, bob] = await newPair(server.url);
    const refused = await send({ token: ada.token, to: ada.id, key: "k" });
    expect(refused.status).toBe(400);
    expect((await send({ token: ada.token, to: bob.id, key: "k" })).status).toBe(200);
  });

  test("of another length or with other characters is malformed", async () => {
    const [ada, bob] = await newPair(server.url);
    for (const key of ["", "a b", "x".repeat(256), "é"]) {
      const answer = await send({ token: ada.token, to: bob.id, key });
      expect(answer.status, key).toBe(422);
      expect(answer.body).toMatchObject({ detail: [{ loc: ["header", "idempotency-key"] }] });
    }
    expect((await send({ token: ada.token, to: bob.id, key: "x".repeat(255) })).status).toBe(200);
  });

  test("makes the conversation once", async () => {
    const [ada, bob] = await newPair(server.url);
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        rest(urls[i % 2] ?? "", "POST /conversations/direct", {
          token: ada.token,
          body: { peer_user_id: bob.id },
          headers: { "idempotency-key": "open" },
        }),
      ),
    );
    for (const answer of answers) expect(answer.body).toEqual(answers[0]?.body);
    expect(answers[0]?.status).toBe(200);
  });

  const creating: [route: string, make: (people: Creating) => Asked][] = [
    ["POST /keys/publish", () => ({ body: { public_key: "k" }, other: { public_key: "l" } })],
    ["POST /contacts/add", ({ bob, eve }) => ({ body: { phone: bob.phone }, other: { phone: eve.phone } })],
    ["POST /blocks", ({ bob, eve }) => ({ query: [bob.id, eve.id] })],
    ["POST /groups", () => ({ body: { name: "Harbour" }, other: { name: "Pier" } })],
    [
      "POST /groups/GROUP/members",
      ({ bob, eve }) => ({ body: { member_user_ids: [bob.id] }, other: { member_user_ids: [eve.id] } }),
    ],
    ["POST /groups/GROUP/invites", () => ({ body: { max_uses: 1 }, other: { max_uses: 2 } })],
    [
      "POST /messages/send_group",
      ({ group }) => {
        const body = { conversation_id: group, sender_device_id: "phone", ciphertext: "c" };
        return { body, other: { ...body, ciphertext: "d" } };
      },
    ],
  ];

  test.each(creating)(
    "%s is done once for one key, and refuses another request under it",
    async (route, make) => {
      const [ada, bob] = await newPair(server.url);
      const eve = await newPerson(server.url);
      const group = await newGroup(server.url, ada);
      const asked = make({ bob, eve, group });
      const ask = (url: string, isOther: boolean): Promise<RestAnswer> => {
        const path = route.replace("GROUP", group);
        const query = asked.query ? `?blocked_user_id=${asked.query[isOther ? 1 : 0]}` : "";
        const body = isOther ? asked.other : asked.body;
        const headers = { "idempotency-key": "k" };
        return rest(url, path + query, { token: ada.token, headers, ...(body ? { body } : {}) });
      };
      const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => ask(urls[i % 2] ?? "", false)));
      expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
      for (const { body } of answers) expect(body).toEqual(answers[0]?.body);
      for (const url of urls) expect(outcome(await ask(url, true))).toEqual(reusedKey);
    },
  );
});

interface Creating {
  bob: { id: string; phone: string };
  eve: { id: string; phone: string };
  group: string;
}

/** A request, and another one that must not pass under its key. */
interface Asked {
  body?: object;
  other?: object;
  query?: [string, string];
}
