import { once } from "node:events";
import { expect, onTestFinished, test, vi } from "vitest";
import { WebSocket } from "ws";
import { rest, signIn, signInWithDevice } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { newPair, sendAll } from "./people.ts";

type Frame = Record<string, unknown>;

/** tRPC's socket protocol by hand, for what the official client never sends. */
class Raw implements AsyncDisposable {
  readonly socket: WebSocket;
  readonly frames: string[] = [];
  readonly closed: Promise<number>;
  #arrived = Promise.withResolvers<void>();

  constructor(url: string, options: { query?: string; token?: string } = {}) {
    const headers = options.token === undefined ? {} : { authorization: `Bearer ${options.token}` };
    this.socket = new WebSocket(`${url.replace("http", "ws")}/trpc${options.query ?? ""}`, { headers });
    this.socket.on("message", (data: Buffer) => {
      this.frames.push(data.toString());
      this.#arrived.resolve();
      this.#arrived = Promise.withResolvers<void>();
    });
    this.closed = once(this.socket, "close").then(([code]) => Number(code));
  }

  static async open(url: string, token: string): Promise<Raw> {
    const raw = new Raw(url, { token });
    await once(raw.socket, "open");
    return raw;
  }

  send(frame: unknown): void {
    this.socket.send(typeof frame === "string" || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame));
  }

  /** The next frame; its order counts. */
  async next(): Promise<Frame> {
    while (this.frames.length === 0) await this.#arrived.promise;
    return JSON.parse(this.frames.shift() ?? "") as Frame;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.terminate();
    await this.closed;
  }
}

const errorOf = (id: unknown, code: string, sotto: string): Frame => ({
  id,
  error: { data: { code, sotto: { code: sotto } } },
});
const query = (id: unknown, path: string, input?: unknown) => ({
  id,
  method: "query",
  params: { path, input },
});
const subscribe = (id: unknown, input?: unknown) => ({
  id,
  method: "subscription",
  params: { path: "sync.subscribe", input },
});
const malformed = errorOf(null, "PARSE_ERROR", "VALIDATION_FAILED");

test.each([
  ["no JSON", "{", malformed],
  ["a binary frame", Buffer.from(JSON.stringify(query(1, "keys.listMine"))), malformed],
  ["no object", "3", malformed],
  ["no path", { id: 1, method: "query", params: {} }, malformed],
  ["no such method", { id: 1, method: "delete", params: { path: "keys.listMine" } }, malformed],
  ["no id", query(null, "keys.listMine"), malformed],
  ["an unknown path", query(1, "keys.nothing"), errorOf(1, "NOT_FOUND", "ROUTE_NOT_FOUND")],
  ["the path of another kind", query(1, "sync.subscribe"), errorOf(1, "NOT_FOUND", "ROUTE_NOT_FOUND")],
  [
    "no subscription",
    { ...subscribe(1), params: { path: "keys.listMine" } },
    errorOf(1, "NOT_FOUND", "ROUTE_NOT_FOUND"),
  ],
  [
    "a longer path",
    { ...subscribe(1), params: { path: "sync.subscribe.x" } },
    errorOf(1, "NOT_FOUND", "ROUTE_NOT_FOUND"),
  ],
  [
    "a path of Object's",
    { ...subscribe(1), params: { path: "toString.call" } },
    errorOf(1, "NOT_FOUND", "ROUTE_NOT_FOUND"),
  ],
  ["a wrong input", subscribe(1, 3), errorOf(1, "UNPROCESSABLE_CONTENT", "VALIDATION_FAILED")],
])("a message with %s is refused, and the socket goes on", async (_, frame, refusal) => {
  await using server = await startTestServer();
  const { token } = await signInWithDevice(server.url, "a");
  await using raw = await Raw.open(server.url, token);
  raw.send(frame);
  expect(await raw.next()).toMatchObject(refusal);
  raw.send({ ...query(2, "keys.listMine"), jsonrpc: "2.0" });
  expect(await raw.next()).toMatchObject({
    id: 2,
    jsonrpc: "2.0",
    result: { type: "data", data: [{ deviceId: "a" }] },
  });
});

test("a batch is answered message by message, and one that is too long is refused whole", async () => {
  await using server = await startTestServer();
  const { token } = await signInWithDevice(server.url, "a");
  await using raw = await Raw.open(server.url, token);
  raw.send([query(1, "keys.listMine"), query("two", "keys.listMine")]);
  const answers = [await raw.next(), await raw.next()];
  expect(new Set(answers.map(({ id }) => id)), "in any order").toEqual(new Set([1, "two"]));

  const stop = { id: 99, method: "subscription.stop" };
  raw.send([...Array.from({ length: 50 }, (_, id) => query(id, "keys.listMine")), stop]);
  for (let id = 0; id < 50; id++) {
    expect(await raw.next()).toMatchObject(errorOf(id, "BAD_REQUEST", "VALIDATION_FAILED"));
  }
  raw.send("PING");
  await expect.poll(() => raw.frames).toEqual(["PONG"]);
});

test("a subscription starts, brings events, and says that it stopped; its id is its own meanwhile", async () => {
  await using server = await startTestServer();
  const [alice, bob] = await newPair(server.url);
  const send = (ciphertext: string) => sendAll(server.url, alice, bob, [ciphertext]);
  await using raw = await Raw.open(server.url, bob.token);
  raw.send(subscribe(7));
  expect(await raw.next()).toEqual({ id: 7, result: { type: "started" } });
  while (
    JSON.stringify(await raw.next()) !== '{"id":7,"result":{"type":"data","data":{"type":"caught_up"}}}'
  );

  raw.send(subscribe(7));
  expect(await raw.next()).toMatchObject(errorOf(7, "BAD_REQUEST", "VALIDATION_FAILED"));
  await send("one");
  await expect.poll(() => raw.frames.some((frame) => frame.includes('"ciphertext":"one"'))).toBe(true);
  raw.frames.length = 0;

  raw.send({ id: 7, method: "subscription.stop" });
  expect(await raw.next()).toEqual({ id: 7, result: { type: "stopped" } });
  await send("two");
  raw.send(subscribe(7));
  expect(await raw.next(), "nothing came of the message").toEqual({ id: 7, result: { type: "started" } });
  await expect.poll(() => raw.frames.some((frame) => frame.includes('"ciphertext":"two"'))).toBe(true);
});

test("a subscription that is stopped at once brings nothing", async () => {
  await using server = await startTestServer();
  const { token } = await signInWithDevice(server.url, "a");
  await using raw = await Raw.open(server.url, token);
  raw.send([subscribe(1), { id: 1, method: "subscription.stop" }]);
  raw.send(query(2, "keys.listMine"));
  expect(await raw.next()).toEqual({ id: 1, result: { type: "stopped" } });
  expect(await raw.next()).toMatchObject({ id: 2 });
  expect(raw.frames).toEqual([]);
});

test("a device that is removed is closed with 4403, and again when it comes back", async () => {
  await using server = await startTestServer();
  const { token } = await signInWithDevice(server.url, "a");
  await using raw = await Raw.open(server.url, token);
  await rest(server.url, "DELETE /keys/devices/a", { token });
  expect(await raw.closed).toBe(4403);
  await using again = new Raw(server.url, { token });
  expect(await again.closed).toBe(4403);
});

test.each([
  ["params that are none", "{", 1005],
  ["params that are no texts", { method: "connectionParams", data: { token: 3 } }, 1005],
  ["a bad token", { method: "connectionParams", data: { token: "x" } }, 4401],
  ["no token", { method: "connectionParams", data: null }, 4401],
])("a socket that shows %s is closed", async (_, params, code) => {
  await using server = await startTestServer();
  await using raw = new Raw(server.url, { query: "?connectionParams=1" });
  await once(raw.socket, "open");
  raw.send(params);
  expect(await raw.closed).toBe(code);
  if (code === 1005) expect(await raw.next()).toMatchObject(malformed);
});

test("a socket that shows nothing within 10 s is closed with 1013", async () => {
  await using server = await startTestServer();
  onTestFinished(() => void vi.useRealTimers());
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  await using raw = new Raw(server.url, { query: "?connectionParams=1" });
  await once(raw.socket, "open");
  vi.advanceTimersByTime(9_999);
  raw.send("PING");
  await once(raw.socket, "message");
  expect(raw.frames, "it is open still").toEqual(["PONG"]);
  vi.advanceTimersByTime(1);
  expect(await raw.closed).toBe(1013);
});

test("what is sent along with the token waits until it is verified", async () => {
  await using server = await startTestServer();
  const { token } = await signInWithDevice(server.url, "a");
  await using raw = new Raw(server.url, { query: "?connectionParams=1" });
  await once(raw.socket, "open");
  raw.send({ method: "connectionParams", data: { token } });
  raw.send(subscribe(1));
  expect(await raw.next()).toEqual({ id: 1, result: { type: "started" } });
});

test("a socket that goes while its token is verified leaves nothing behind", async () => {
  await using server = await startTestServer();
  const { app } = server;
  const { token } = await signInWithDevice(server.url, "a");
  const held = Promise.withResolvers<void>();
  const holding = Array.from({ length: 50 }, () => app.socketReads.run(() => held.promise));
  {
    await using raw = await Raw.open(server.url, token);
    raw.send(subscribe(1));
  }
  const openSockets = async (): Promise<number[]> =>
    (await app.metrics.sockets.get()).values.map(({ value }) => value);
  await expect.poll(openSockets).toEqual([0]);
  held.resolve();
  await Promise.all(holding);
  {
    // Is verified after the one that has gone.
    await using later = await Raw.open(server.url, token);
    later.send(subscribe(1));
    expect(await later.next()).toEqual({ id: 1, result: { type: "started" } });
  }
  await expect.poll(() => app.hub.users()).toEqual([]);
});

test("whoever has published no device may call, but not subscribe", async () => {
  await using server = await startTestServer();
  const { token } = await signIn(server.url);
  await using raw = await Raw.open(server.url, token);
  raw.send(subscribe(1));
  expect(await raw.next()).toMatchObject(errorOf(1, "FORBIDDEN", "DEVICE_REQUIRED"));
  raw.send(query(2, "keys.listMine"));
  expect(await raw.next()).toMatchObject({ id: 2, result: { type: "data", data: [] } });
});

test("over HTTP there is no subscription", async () => {
  await using server = await startTestServer();
  const { token } = await signInWithDevice(server.url, "a");
  const overHttp = await fetch(`${server.url}/trpc/sync.subscribe`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(await overHttp.text()).toContain("SUBSCRIPTION_NEEDS_SOCKET");
});
