import { randomInt } from "node:crypto";
import { expect, test } from "vitest";
import { losing, seededRandom } from "../lossy-bus.ts";
import { ResumingReader } from "../resuming-reader.ts";
import { sendTo, signIn, signInWithDevice } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";

const conversations = 20;
const senders = 8;
const messagesPerSender = 60;

test("a subscriber cut off at random gets every entry once and in order, with a third of the wakes lost", async () => {
  const seed = Number(process.env["SEED"] ?? randomInt(2 ** 31));
  const random = seededRandom(seed);
  await using server = await startTestServer({ wrapBus: losing(() => random() < 1 / 3) });
  const { url } = server;
  const reader = await signInWithDevice(url, "reader");
  const peers = await Promise.all(Array.from({ length: conversations }, () => signIn(url)));

  const sent = new Map<string, string[]>();
  const total = senders * messagesPerSender;
  const write = async (sender: number): Promise<void> => {
    for (let i = 0; i < messagesPerSender; i++) {
      const peer = peers[Math.floor(random() * conversations)];
      if (!peer) throw new Error("no peer");
      const ciphertext = `from sender ${sender}, number ${i}`;
      const message = await sendTo(url, { token: peer.token, deviceId: "p" }, { to: reader.id, ciphertext });
      const conversation = String(message["conversation_id"]);
      sent.set(conversation, [...(sent.get(conversation) ?? []), String(message["id"])]);
    }
  };
  const client = new ResumingReader(url, reader.token);
  const received = (): Map<string, string[]> => {
    const ids = new Map<string, string[]>();
    for (const [log, frames] of client.applied) {
      const messages = frames.flatMap((frame) =>
        frame["type"] === "message" ? [frame["message"] as { id: string }] : [],
      );
      if (messages.length > 0)
        ids.set(
          log,
          messages.map(({ id }) => id),
        );
    }
    return ids;
  };
  const count = (): number => [...received().values()].reduce((sum, ids) => sum + ids.length, 0);

  let isWriting = true;
  const writing = Promise.all(Array.from({ length: senders }, (_, sender) => write(sender))).finally(
    () => (isWriting = false),
  );
  await client.run({
    until: () => !isWriting && count() >= total,
    shouldCut: () => random() < 0.03,
    // An ack that was never sent, or is lost with its connection, brings entries again.
    ack: () => random() < 0.8,
  });
  await writing;

  expect(client.connections, `seed ${seed}`).toBeGreaterThan(3);
  const order = await historyOrder(url, reader.token, [...sent.keys()]);
  expect(received(), `seed ${seed}`).toEqual(order);
  expect(count()).toBe(total);
});

/** The ids of each conversation in the order of the database. */
async function historyOrder(url: string, token: string, ids: string[]): Promise<Map<string, string[]>> {
  const order = new Map<string, string[]>();
  for (const id of ids) {
    const response = await fetch(`${url}/messages/history?conversation_id=${id}&limit=200`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const { messages } = (await response.json()) as { messages: { id: string }[] };
    order.set(
      id,
      messages.map((message) => message.id),
    );
  }
  return order;
}
