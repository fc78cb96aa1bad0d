import { randomUUID } from "node:crypto";
import { Writable } from "node:stream";
import { Redis } from "ioredis";
import { expect, test } from "vitest";
import { createLog } from "../../src/log.ts";
import { ack, newPair, sendAll } from "../contract/people.ts";
import type { Json } from "../rest-client.ts";
import { requireRedisUrl, startTestServer } from "../test-server.ts";

test("NOTIFY_MODE=log writes each event to the log, without content", async () => {
  const lines: string[] = [];
  const log = createLog(
    "info",
    new Writable({ write: (chunk, _, done) => (lines.push(String(chunk)), done()) }),
  );
  await using server = await startTestServer({ log });
  const [alice, bob] = await newPair(server.url);
  const [message] = await sendAll(server.url, alice, bob, ["the secret ciphertext"]);
  await ack(server.url, bob.token, `${String(message?.["id"])}/ack_delivered`);
  const events = lines.map((line) => JSON.parse(line) as Json).filter(({ msg }) => msg === "event");
  expect(events).toMatchObject([
    {
      level: "info",
      event: "chat.message.created",
      data: { message_id: message?.["id"], recipient_user_id: bob.id },
    },
    {
      level: "info",
      event: "chat.message.delivered",
      data: { message_id: message?.["id"], device_id: "phone" },
    },
  ]);
  expect(lines.join("")).not.toMatch(/secret ciphertext|\+49/);
});

test("NOTIFY_MODE=redis publishes each event on the channel", async () => {
  const channel = `chat.${randomUUID()}`;
  const env = { REDIS_URL: requireRedisUrl(), NOTIFY_MODE: "redis", NOTIFY_REDIS_CHANNEL: channel };
  await using server = await startTestServer({ env });
  const subscriber = new Redis(env.REDIS_URL);
  await subscriber.subscribe(channel);
  const heard = new Promise<string>((resolve) => subscriber.once("message", (_, text) => resolve(text)));
  try {
    const [alice, bob] = await newPair(server.url);
    const [message] = await sendAll(server.url, alice, bob, ["the secret ciphertext"]);
    expect(JSON.parse(await heard)).toEqual({
      event: "chat.message.created",
      data: {
        message_id: message?.["id"],
        conversation_id: message?.["conversation_id"],
        sender_user_id: alice.id,
        recipient_user_id: bob.id,
      },
    });
  } finally {
    subscriber.disconnect();
  }
});
