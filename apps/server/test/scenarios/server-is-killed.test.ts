import { expect, test } from "vitest";
import { createTestDatabase } from "../database.ts";
import { rest, sendTo, signInWithDevice } from "../rest-client.ts";
import { launchServer } from "../server-process.ts";

const writers = 8;

test("nothing that was answered is lost when the server is killed, and nothing is stored twice by the retry", async () => {
  await using database = await createTestDatabase();
  let server = await launchServer({ databaseUrl: database.url });
  const { url, port } = server;
  try {
    const alice = await signInWithDevice(url, "a");
    const bob = await signInWithDevice(url, "b");
    const answered = new Map<string, string>();
    const unanswered: string[] = [];
    const send = async (clientMessageId: string): Promise<void> => {
      const message = { to: bob.id, ciphertext: `text of ${clientMessageId}`, clientMessageId };
      const stored = await sendTo(url, { token: alice.token, deviceId: "a" }, message);
      answered.set(clientMessageId, String(stored["id"]));
    };
    let isKilled = false;
    const write = async (writer: number): Promise<void> => {
      for (let i = 0; !isKilled; i++) {
        const clientMessageId = `${writer}-${i}`;
        await send(clientMessageId).catch(() => unanswered.push(clientMessageId));
      }
    };
    const writing = Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
    while (answered.size < 100) await new Promise((resolve) => setImmediate(resolve));
    const killing = server.kill();
    isKilled = true;
    await Promise.all([killing, writing]);

    server = await launchServer({ port, databaseUrl: database.url });
    for (const clientMessageId of unanswered) await send(clientMessageId);
    const ids: string[] = [];
    for (;;) {
      const page = await rest(url, "GET /messages/inbox?ack_delivered=true", { token: bob.token });
      const messages = page.body["messages"] as { id: string }[];
      if (messages.length === 0) break;
      ids.push(...messages.map(({ id }) => id));
    }
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.toSorted()).toEqual([...answered.values()].toSorted());
  } finally {
    await server.kill();
  }
});
