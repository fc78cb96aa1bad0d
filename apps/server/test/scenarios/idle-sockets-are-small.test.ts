import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { watchMemory } from "../memory.ts";
import { signInWithDevice } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";

const headerBytes = 14_000;
/** Both ends of a connection are in this process: together 5 to 7 KiB. The request would bring more than its header. */
const maxBytesEach = 9_000;

test.each(["/ws", "/trpc"])(
  "an open socket of %s keeps nothing of the request that it came with",
  async (path) => {
    await using server = await startTestServer();
    const { token } = await signInWithDevice(server.url, "d");
    const sockets: Socket[] = [];
    const open = async (count: number): Promise<void> => {
      for (let n = 0; n < count; n++) sockets.push(await openSocket(server.url, path, token));
    };
    // What is made once comes before.
    await open(50);
    const memory = watchMemory();
    await open(50);
    memory.sample();
    expect(memory.medianBytes() / 50).toBeLessThan(maxBytesEach);
    for (const socket of sockets) socket.destroy();
  },
);

/** By hand: a client of this process would be measured as well. */
async function openSocket(url: string, path: string, token: string): Promise<Socket> {
  const socket = connect({ port: Number(new URL(url).port), host: "127.0.0.1" });
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
      `Authorization: Bearer ${token}\r\nX-Filler: ${"x".repeat(headerBytes)}\r\n\r\n`,
  );
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString("latin1", 0, 12)).toBe("HTTP/1.1 101");
  return socket;
}
