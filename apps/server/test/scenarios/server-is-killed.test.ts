import { expect, test } from "vitest";
import { createTestDatabase } from "../database.ts";
import { rest, sendTo, signInWithDevice } from "../rest-client.ts";
import { launchServer } from "../server-process.ts";
import { Writers } from "../writers.ts";

test("nothing that was answered is lost when the server is killed, and nothing is stored twice by the retry", async () => {
  await using database = await createTestDatabase();
  let server = await launchServer({ databaseUrl: database.url });
  const { url, port } = server;
  try {
    const alice = await signInWithDevice(url, "a");
    const bob = await signInWithDevice(url, "b");
    const writers = new Writers(8, (clientMessageId) => {
      const message = { to: bob.id, ciphertext: `text of ${clientMessageId}`, clientMessageId };
      return sendTo(url, { token: alice.token, deviceId: "a" }, message);
    });
    const { answered, unanswered } = writers;
    while (answered.size < 100) await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([server.kill(), writers.stop()]);

    server = await launchServer({ port, databaseUrl: database.url });
    for (const clientMessageId of unanswered) await writers.send(clientMessageId);
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
