import { createHmac } from "node:crypto";
import { verifyWebhook } from "@sotto/sdk/webhooks";
import { expect, test } from "vitest";
import { ack, newPair, sendAll } from "../contract/people.ts";
import { createTestDatabase } from "../database.ts";
import { HttpStandIn } from "../http-stand-in.ts";
import { startTestServer } from "../test-server.ts";
import { createdIds, readEvent, webhookEnv, webhookSecret } from "../webhook-fixtures.ts";

const hmac = (signed: string): string => createHmac("sha256", webhookSecret).update(signed).digest("hex");

test("each event is posted once, signed, without content or numbers", async () => {
  await using receiver = await HttpStandIn.listen();
  await using server = await startTestServer({ env: webhookEnv([receiver]) });
  const [alice, bob] = await newPair(server.url);
  const [message] = await sendAll(server.url, alice, bob, ["the secret ciphertext"]);
  await ack(server.url, bob.token, `${String(message?.["id"])}/ack_read`);
  await receiver.until((received) => received.length >= 3);

  const events = receiver.received.map(readEvent);
  expect(events.map(({ name }) => name)).toEqual([
    "chat.message.created",
    "chat.message.delivered",
    "chat.message.read",
  ]);
  expect(events[0]?.data).toEqual({
    message_id: message?.["id"],
    conversation_id: message?.["conversation_id"],
    sender_user_id: alice.id,
    recipient_user_id: bob.id,
  });
  expect(events[1]?.data).toEqual({ message_id: message?.["id"], device_id: bob.deviceId });
  for (const { headers, body } of receiver.received) {
    const text = body.toString();
    expect(text).not.toMatch(/secret ciphertext|\+49/);
    expect(text).toBe(JSON.stringify(JSON.parse(text)));
    const [ts, event, id] = ["ts", "event", "id"].map((name) => String(headers[`x-webhook-${name}`]));
    expect(headers["x-webhook-sign"]).toBe(hmac(`${ts}${event}${text}`));
    for (const version of ["v1", "v2"] as const) {
      const verdict = await verifyWebhook({ headers, rawBody: body, secret: webhookSecret, version });
      expect(verdict).toMatchObject({ ok: true, webhook: { event, data: JSON.parse(text) as unknown } });
    }
    expect(headers["x-webhook-sign-v2"]).toBe(hmac(`v2\n${id}\n${ts}\n${event}\n${text}`));
  }
});

test("an endpoint gets the events that it asked for", async () => {
  await using receiver = await HttpStandIn.listen();
  const endpoints = [{ url: receiver.url, secret: webhookSecret, events: ["chat.message.read"] }];
  const env = webhookEnv([], { CHAT_WEBHOOK_ENDPOINTS_JSON: JSON.stringify(endpoints) });
  await using server = await startTestServer({ env });
  const [alice, bob] = await newPair(server.url);
  const [message] = await sendAll(server.url, alice, bob, ["one"]);
  await ack(server.url, bob.token, `${String(message?.["id"])}/ack_read`);
  await receiver.until((received) => received.length > 0);
  expect(receiver.received.map((request) => readEvent(request).name)).toEqual(["chat.message.read"]);
});

test("a receiver that fails for a while gets everything in order, and holds up no other", async () => {
  await using failing = await HttpStandIn.listen();
  await using healthy = await HttpStandIn.listen();
  let refusals = 0;
  failing.answer = () => ({ status: ++refusals > 2 ? 200 : 503 });
  await using server = await startTestServer({ env: webhookEnv([failing, healthy]) });
  const [alice, bob] = await newPair(server.url);
  const sent = await sendAll(server.url, alice, bob, ["1", "2", "3", "4", "5", "6", "7", "8"]);
  const ids = sent.map(({ id }) => id);
  await healthy.until((received) => createdIds(received).length === ids.length);
  expect(createdIds(healthy.received)).toEqual(ids);
  await failing.until((received) => received.length - 2 >= ids.length);
  const taken = failing.received.slice(2);
  expect(createdIds(taken)).toEqual(ids);
  // What was refused is the first event again and again, never a later one.
  expect(new Set(failing.received.slice(0, 3).map((request) => readEvent(request).id)).size).toBe(1);
});

test("of two processes one delivers", async () => {
  await using receiver = await HttpStandIn.listen();
  await using database = await createTestDatabase();
  const env = webhookEnv([receiver]);
  const servers = await Promise.all([startTestServer({ database, env }), startTestServer({ database, env })]);
  await using stack = new AsyncDisposableStack();
  for (const server of servers) stack.use(server);
  const [first, second] = servers;
  const [alice, bob] = await newPair(first.url);
  const ids: unknown[] = [];
  for (let i = 0; i < 20; i++) {
    const [message] = await sendAll((i % 2 ? first : second).url, alice, bob, [`m${i}`]);
    ids.push(message?.["id"]);
  }
  await receiver.until((received) => createdIds(received).length === ids.length);
  expect(receiver.received.map((request) => readEvent(request).data["message_id"])).toEqual(ids);
});
