import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { expect, test } from "vitest";
import { createTestDatabase } from "../database.ts";
import { findFreePort } from "../free-port.ts";
import { rest, sendTo, signInWithDevice } from "../rest-client.ts";

const main = path.join(import.meta.dirname, "../../src/main.ts");
const writers = 8;

test("nothing that was answered is lost when the server is killed, and nothing is stored twice by the retry", async () => {
  await using database = await createTestDatabase();
  const port = await findFreePort();
  const url = `http://127.0.0.1:${port}`;
  let server = await launch({ port, databaseUrl: database.url });
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
    server.kill("SIGKILL");
    isKilled = true;
    await writing;

    server = await launch({ port, databaseUrl: database.url });
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
    server.kill("SIGKILL");
  }
});

async function launch(options: { port: number; databaseUrl: string }): Promise<ChildProcess> {
  const child = spawn(process.execPath, ["--conditions=@sotto/source", main], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...process.env,
      APP_HOST: "127.0.0.1",
      APP_PORT: String(options.port),
      DB_URL: options.databaseUrl,
      LOG_LEVEL: "warn",
      CHAT_USER_MSGS_PER_MINUTE: "1000000",
      RATE_LIMIT_PER_MINUTE: "1000000",
    },
  });
  // The banner is the first thing that it prints, once it listens.
  await once(child.stdout ?? child, "data");
  return child;
}
