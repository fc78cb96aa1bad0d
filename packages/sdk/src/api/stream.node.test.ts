import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Stream, openStream, usualLimits } from "./stream.ts";

const limits = { pingAfterMs: 100, answerWithinMs: 100, probeWithinMs: 80, openWithinMs: 300 };
const isUnbounded = { pingAfterMs: 60_000, answerWithinMs: 60_000 };

/** A WebSocket server that does the handshake, and then says what it is told to, and closes nothing. */
class MuteServer implements AsyncDisposable {
  url = "";
  readonly #server = createServer();
  readonly #sockets = new Set<Duplex>();

  async listen(): Promise<void> {
    this.#server.on("upgrade", (request, socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      const accept = createHash("sha1")
        .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
        .digest("base64");
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
    });
    await new Promise<void>((resolve) => {
      this.#server.listen(0, "127.0.0.1", resolve);
    });
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  say(text: string): void {
    const frame = Buffer.concat([Buffer.of(0x81, text.length), Buffer.from(text)]);
    for (const socket of this.#sockets) socket.write(frame);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }
}

let server = new MuteServer();
let stream: Stream | undefined;
beforeEach(async () => {
  server = new MuteServer();
  await server.listen();
});
afterEach(async () => {
  await stream?.close();
  await server[Symbol.asyncDispose]();
});

/** A stream that the server has confirmed. */
async function openConfirmed(overrides: Partial<typeof limits>): Promise<Stream> {
  const opened = Promise.withResolvers<void>();
  stream = openStream({
    url: server.url,
    token: "token",
    onOpen: () => opened.resolve(),
    onEvent: () => {},
    limits: { ...limits, openWithinMs: 10_000, ...overrides },
  });
  const confirming = setInterval(() => server.say('{"id":1,"result":{"type":"started"}}'), 10);
  await opened.promise;
  clearInterval(confirming);
  return stream;
}

test("the limits are those of SPEC.md", () => {
  const { pingAfterMs, answerWithinMs, probeWithinMs, openWithinMs } = usualLimits;
  // A quiet connection is looked at ten times in that.
  expect((pingAfterMs + answerWithinMs) * 1.1).toBe(33_000);
  expect(probeWithinMs).toBe(5_000);
  expect(openWithinMs).toBe(15_000);
});

test("a connection that the server does not confirm is given up", async () => {
  const opening = openStream({ url: server.url, token: "t", onOpen: () => {}, onEvent: () => {}, limits });
  stream = opening;
  expect(await opening.ended).toEqual({});
});

test("a connection that went dead is noticed, though nothing closes it", async () => {
  const opened = await openConfirmed({});
  const startedAt = performance.now();
  expect(await opened.ended).toEqual({});
  // Quiet for pingAfterMs and answerWithinMs, looked at ten times in that.
  expect(performance.now() - startedAt).toBeLessThan(1_000);
});

test("one that is doubted is asked, and ends without an answer", async () => {
  const opened = await openConfirmed(isUnbounded);
  opened.probe();
  expect(await opened.ended).toEqual({});
});

test("one that answers goes on", async () => {
  const opened = await openConfirmed(isUnbounded);
  opened.probe();
  server.say("PONG");
  const first = await Promise.race([
    opened.ended.then(() => "ended"),
    new Promise((resolve) => {
      setTimeout(resolve, 3 * limits.probeWithinMs, "open");
    }),
  ]);
  expect(first).toBe("open");
});
