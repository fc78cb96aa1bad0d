import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { createMetrics } from "../../metrics.ts";
import { createOpenSockets } from "./open-sockets.ts";
import { ServerSocket } from "./server-socket.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
afterEach(() => void vi.useRealTimers());

/** A client whose socket is served, and pinged in the way of `/ws`. */
async function connect(options: { autoPong: boolean }) {
  const http = createServer();
  const open = createOpenSockets({ metrics: createMetrics() });
  const wss = new WebSocketServer({ noServer: true, clientTracking: false, WebSocket: ServerSocket });
  const events: string[] = [];
  http.on("upgrade", (request, stream, head) => {
    wss.handleUpgrade(request, stream, head, (socket) => {
      open.add(socket, "ws");
      socket.serve({
        receive: () => void events.push("frame"),
        ping: () => socket.ping(),
        closed: () => void events.push("closed"),
      });
    });
  });
  await once(http.listen(0, "127.0.0.1"), "listening");
  const client = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`, options);
  await once(client, "open");
  const dispose = async (): Promise<void> => {
    client.terminate();
    open.stop();
    await new Promise((resolve) => http.close(resolve));
  };
  return { client, events, [Symbol.asyncDispose]: dispose };
}

/** The ping of the next 30 s has come. */
async function nextPing(client: WebSocket): Promise<void> {
  const pinged = once(client, "ping");
  vi.advanceTimersByTime(30_000);
  await pinged;
}

test("a client that answers neither a ping nor anything else is cut at the next", async () => {
  await using pair = await connect({ autoPong: false });
  await nextPing(pair.client);
  const closed = once(pair.client, "close");
  vi.advanceTimersByTime(30_000);
  expect((await closed)[0]).toBe(1006);
  await expect.poll(() => pair.events).toEqual(["closed"]);
});

test.each([
  ["a pong", (client: WebSocket) => client.pong()],
  ["a frame", (client: WebSocket) => client.send("here")],
])("%s keeps a connection", async (_, answer) => {
  await using pair = await connect({ autoPong: false });
  for (let n = 0; n < 3; n++) {
    await nextPing(pair.client);
    answer(pair.client);
    // What comes back in order was sent after the answer was taken.
    pair.client.ping();
    await once(pair.client, "pong");
  }
  expect(pair.client.readyState).toBe(WebSocket.OPEN);
});

test("a client that sends over 200 frames in a second is closed with 1008, and is served no more of them", async () => {
  await using pair = await connect({ autoPong: true });
  const closed = once(pair.client, "close");
  for (let n = 0; n < 1_000; n++) pair.client.send("x");
  expect((await closed)[0]).toBe(1008);
  // The frames may fall into two seconds.
  expect(pair.events.filter((event) => event === "frame").length).toBeLessThanOrEqual(400);
});
