import { afterAll, describe, expect, test } from "vitest";
import { signIn, type RestAnswer } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { unknownId } from "./contract-routes.ts";
import { fieldList, outcome, placesOf, rest } from "./described-rest.ts";
import { newPair, newPerson, sendAll } from "./people.ts";
import { aTime, aUuidV7 } from "./shapes.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());

function send(token: string, body: object, headers: Record<string, string> = {}): Promise<RestAnswer> {
  const whole = { sender_device_id: "phone", ciphertext: "c", ...body };
  return rest(server.url, "POST /messages/send", { token, body: whole, headers });
}

async function countInbox(token: string): Promise<number> {
  return fieldList(await rest(server.url, "GET /messages/inbox", { token }), "messages").length;
}

describe("POST /messages/send", () => {
  test("answers with the stored message and exactly its fields", async () => {
    const [ada, bob] = await newPair(server.url);
    const { status, body } = await send(ada.token, {
      recipient_user_id: bob.id,
      ciphertext: 'Größe 📱 \\ "',
    });
    expect(status).toBe(200);
    expect(body).toEqual({
      id: aUuidV7,
      conversation_id: aUuidV7,
      sender_user_id: ada.id,
      sender_device_id: "phone",
      recipient_user_id: bob.id,
      ciphertext: 'Größe 📱 \\ "',
      wrap: null,
      delivered: false,
      read: false,
      sent_at: aTime,
    });
    expect(
      fieldList(await rest(server.url, "GET /messages/inbox", { token: bob.token }), "messages"),
    ).toEqual([body]);
  });

  test("takes null for what is optional", async () => {
    const [ada, bob] = await newPair(server.url);
    const body = { recipient_user_id: bob.id, client_message_id: null, recipients: null };
    expect((await send(ada.token, body)).status).toBe(200);
  });

  test("one pair has one conversation, whoever begins and however many at once", async () => {
    const [ada, bob] = await newPair(server.url);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        i % 2
          ? send(ada.token, { recipient_user_id: bob.id })
          : send(bob.token, { recipient_user_id: ada.id }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(new Set(answers.map(({ body }) => body["conversation_id"])).size).toBe(1);
    expect(new Set(answers.map(({ body }) => body["id"])).size).toBe(8);
    expect([await countInbox(ada.token), await countInbox(bob.token)]).toEqual([4, 4]);
  });

  test("refuses oneself, what is no id, and nobody", async () => {
    const ada = await newPerson(server.url);
    const to = async (recipient_user_id: string) => outcome(await send(ada.token, { recipient_user_id }));
    expect(await to(ada.id)).toEqual({ status: 400, detail: "Cannot send to self" });
    for (const id of ["", "bob", `${unknownId}0`, unknownId.replaceAll("-", "")]) {
      expect(await to(id)).toEqual({ status: 400, detail: "Invalid recipient id" });
    }
    expect(await to(unknownId)).toEqual({ status: 404, detail: "Recipient not found" });
  });

  test.each([
    [{ recipient_user_id: null }, "body.recipient_user_id"],
    [{ recipient_user_id: 5 }, "body.recipient_user_id"],
    [{ recipient_user_id: "x".repeat(65) }, "body.recipient_user_id"],
    [{ sender_device_id: undefined }, "body.sender_device_id"],
    [{ sender_device_id: "" }, "body.sender_device_id"],
    [{ sender_device_id: "x".repeat(65) }, "body.sender_device_id"],
    [{ ciphertext: undefined }, "body.ciphertext"],
    [{ ciphertext: "" }, "body.ciphertext"],
    [{ ciphertext: 5 }, "body.ciphertext"],
    [{ ciphertext: "a\0b" }, "body.ciphertext"],
    [{ ciphertext: "\ud83d" }, "body.ciphertext"],
    [{ client_message_id: "" }, "body.client_message_id"],
    [{ client_message_id: "x".repeat(65) }, "body.client_message_id"],
    [{ client_message_id: 5 }, "body.client_message_id"],
    [{ recipients: {} }, "body.recipients"],
    [{ recipients: [{}] }, "body.recipients.0.user_id"],
    [{ recipients: [{ user_id: unknownId, device_id: "d", wrap: "a\0b" }] }, "body.recipients.0.wrap"],
    [{ recipients: [{ user_id: unknownId, device_id: "d", wrap: "\udc00" }] }, "body.recipients.0.wrap"],
  ])("calls %j malformed", async (body, place) => {
    const ada = await newPerson(server.url);
    expect(placesOf(await send(ada.token, { recipient_user_id: unknownId, ...body }))).toContain(place);
  });

  test("a ciphertext has at most 262,144 bytes of UTF-8", async () => {
    const [ada, bob] = await newPair(server.url);
    const sizes: [string, number][] = [
      ["x".repeat(262_144), 200],
      ["x".repeat(262_145), 413],
      ["é".repeat(131_072), 200],
      [`${"é".repeat(131_072)}x`, 413],
    ];
    for (const [ciphertext, status] of sizes) {
      const answer = await send(ada.token, { recipient_user_id: bob.id, ciphertext });
      expect(answer.status).toBe(status);
      if (status === 413) expect(answer.body).toEqual({ detail: "Payload too large" });
    }
    expect(await countInbox(bob.token)).toBe(2);
  });

  test("the sender's device is the token's own, or a label that names no device of the sender", async () => {
    const phone = await newPerson(server.url, "phone");
    const laptop = await newPerson(server.url, "laptop", phone.phone);
    const bob = await newPerson(server.url, "bob's");
    const as = async (token: string, sender_device_id: string) =>
      outcome(await send(token, { recipient_user_id: bob.id, sender_device_id }));
    const refused = { status: 403, detail: "Invalid device" };
    for (const label of ["phone", "bob's", "a label"])
      expect((await as(phone.token, label)).status).toBe(200);
    expect(await as(phone.token, "laptop")).toEqual(refused);
    expect(await as(laptop.token, "phone")).toEqual(refused);
    const bare = await signIn(server.url, phone.phone);
    expect(await as(bare.token, "phone")).toEqual(refused);
    expect((await as(bare.token, "web")).status).toBe(200);
  });

  test("a token that published two devices may send as either", async () => {
    const ada = await newPerson(server.url, "first");
    const bob = await newPerson(server.url);
    await rest(server.url, "POST /keys/publish", {
      token: ada.token,
      body: { device_id: "second", public_key: "k" },
    });
    for (const sender_device_id of ["first", "second"]) {
      expect((await send(ada.token, { recipient_user_id: bob.id, sender_device_id })).status).toBe(200);
    }
  });

  test("times within a conversation do not go back", async () => {
    const [ada, bob] = await newPair(server.url);
    const sent = await sendAll(
      server.url,
      ada,
      bob,
      Array.from({ length: 10 }, (_, i) => `m${i}`),
    );
    const times = sent.map((message) => String(message["sent_at"]));
    expect(times).toEqual(times.toSorted());
  });
});

const open = (token: string, body: object, headers = {}): Promise<RestAnswer> =>
  rest(server.url, "POST /conversations/direct", { token, body, headers });

describe("POST /conversations/direct", () => {
  test("gives the pair's one conversation to both, made at the first call", async () => {
    const [ada, bob] = await newPair(server.url);
    const answers = await Promise.all([
      ...Array.from({ length: 4 }, () => open(ada.token, { peer_user_id: bob.id })),
      ...Array.from({ length: 4 }, () => open(bob.token, { peer_user_id: ada.id })),
    ]);
    const [user_a, user_b] = [ada.id, bob.id].toSorted();
    for (const { body } of answers) {
      expect(body).toEqual({
        id: answers[0]?.body["id"],
        user_a,
        user_b,
        last_message_at: null,
        is_group: false,
        name: null,
      });
    }
    expect(answers[0]?.body["id"]).toEqual(aUuidV7);
    const sent = await send(ada.token, { recipient_user_id: bob.id });
    expect(sent.body["conversation_id"]).toBe(answers[0]?.body["id"]);
  });

  test("refuses oneself, nobody and what is no id", async () => {
    const ada = await newPerson(server.url);
    expect(outcome(await open(ada.token, { peer_user_id: ada.id }))).toEqual({
      status: 400,
      detail: "Cannot send to self",
    });
    expect(outcome(await open(ada.token, { peer_user_id: unknownId }))).toEqual({
      status: 404,
      detail: "Recipient not found",
    });
    for (const body of [{}, { peer_user_id: null }, { peer_user_id: "bob" }]) {
      expect(placesOf(await open(ada.token, body))).toEqual(["body.peer_user_id"]);
    }
  });
});
