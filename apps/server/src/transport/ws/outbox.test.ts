import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { encodeTextFrame, writeFrame } from "./outbox.ts";

/** Both ends of a WebSocket, and the connection under the server's. */
async function connectPair() {
  const http = createServer();
  const wss = new WebSocketServer({ noServer: true, clientTracking: false });
  const upgraded = Promise.withResolvers<{ server: WebSocket; stream: Duplex }>();
  http.on("upgrade", (request, stream, head) => {
    wss.handleUpgrade(request, stream, head, (server) => upgraded.resolve({ server, stream }));
  });
  await once(http.listen(0, "127.0.0.1"), "listening");
  const client = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`);
  const texts: string[] = [];
  client.on("message", (data: Buffer) => texts.push(data.toString()));
  const { server, stream } = await upgraded.promise;
  await once(client, "open");
  const dispose = async (): Promise<void> => {
    client.terminate();
    await new Promise((resolve) => http.close(resolve));
  };
  return { client, server, stream, texts, [Symbol.asyncDispose]: dispose };
}

const send = (stream: Duplex, own: string, shared = ""): void =>
  writeFrame(stream, encodeTextFrame(own, Buffer.from(shared)));

test("a frame of any length reaches an official client as it was, beyond ASCII too", async () => {
  await using pair = await connectPair();
  const sent = [0, 1, 124, 125, 126, 65_534, 65_535, 65_536, 200_000].map((length) =>
    "é".padEnd(length, "x"),
  );
  for (const text of sent) send(pair.stream, text.slice(0, 40), text.slice(40));
  const closed = once(pair.client, "close");
  pair.server.close(1000);
  await closed;
  expect(pair.texts).toEqual(sent);
});

test("frames of a turn keep their order with those of ws, and its close comes after them", async () => {
  await using pair = await connectPair();
  send(pair.stream, "one");
  pair.server.send("two");
  send(pair.stream, "three");
  pair.server.close(4408, "enough");
  const [code] = await once(pair.client, "close");
  expect(code).toBe(4408);
  expect(pair.texts).toEqual(["one", "two", "three"]);
});

test("what a reader does not take counts in bufferedAmount, at once and afterwards", async () => {
  await using pair = await connectPair();
  pair.client.pause();
  send(pair.stream, "x".repeat(1_000));
  expect(pair.server.bufferedAmount, "held back in this turn").toBe(1_004);
  // The kernel takes some megabytes.
  for (let i = 0; i < 200; i++) send(pair.stream, "x".repeat(100_000));
  const { promise: turn, resolve } = Promise.withResolvers<void>();
  setImmediate(resolve);
  await turn;
  expect(pair.server.bufferedAmount).toBeGreaterThan(1_000_000);
  pair.client.resume();
  await expect.poll(() => pair.texts.length).toBe(201);
  expect(pair.server.bufferedAmount).toBe(0);
});

test("frames of a turn go out in one write of the connection", async () => {
  await using pair = await connectPair();
  let writes = 0;
  const { stream } = pair;
  const [write, writev] = [stream._write.bind(stream), stream._writev?.bind(stream)];
  stream._write = (...args) => (writes++, write(...args));
  stream._writev = (...args) => (writes++, writev?.(...args));
  for (let i = 0; i < 10; i++) send(stream, `${i}`);
  await expect.poll(() => pair.texts.length).toBe(10);
  expect(writes).toBe(1);
});
