import { type AddressInfo, type Socket, connect, createServer } from "node:net";

/** A TCP proxy before the server: it cuts connections, loses answers, and goes away. */
export class Proxy implements AsyncDisposable {
  readonly url: string;
  /** The server behind it; it may change. */
  targetUrl: string;
  readonly #server: ReturnType<typeof createServer>;
  readonly #sockets: Set<Socket>;
  #swallowing: { path: string; done: PromiseWithResolvers<void> } | undefined;
  #losing: { path: string; done: PromiseWithResolvers<void> } | undefined;
  #doubledPath: string | undefined;
  #held: { path: string; request: HeldRequest } | undefined;
  #isOffline = false;

  private constructor(
    targetUrl: string,
    { server, sockets }: { server: ReturnType<typeof createServer>; sockets: Set<Socket> },
  ) {
    this.targetUrl = targetUrl;
    this.#server = server;
    this.#sockets = sockets;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async open(targetUrl: string): Promise<Proxy> {
    const sockets = new Set<Socket>();
    const server = createServer((near) => proxy.#join(near));
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const proxy = new Proxy(targetUrl, { server, sockets });
    return proxy;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Cuts what is connected, also what was kept alive, and lets nobody in. */
  goOffline(): void {
    this.#isOffline = true;
    this.cut();
  }

  goOnline(): void {
    this.#isOffline = false;
  }

  /** The next request to a path does not reach the server. Resolves when it was lost. */
  loseRequestTo(path: string): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#swallowing = { path, done };
    return done.promise;
  }

  /** The next request to a path reaches the server, its answer does not come back. Resolves when it was lost. */
  loseAnswerTo(path: string): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#losing = { path, done };
    return done.promise;
  }

  /** The next request to a path waits, and so does its answer. */
  holdRequestTo(path: string): HeldRequest {
    const request = new HeldRequest();
    this.#held = { path, request };
    return request;
  }

  /** The next request to a path reaches the server twice, at once. */
  doubleRequestTo(path: string): void {
    this.#doubledPath = path;
  }

  #join(near: Socket): void {
    if (this.#isOffline) {
      near.destroy();
      return;
    }
    const port = Number(new URL(this.targetUrl).port);
    const far = connect(port, "127.0.0.1");
    let lost: PromiseWithResolvers<void> | undefined;
    let twin: Socket | undefined;
    let held: HeldRequest | undefined;
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => {
        this.#sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.on("data", (chunk: Buffer) => {
      if (this.#swallowing && chunk.includes(this.#swallowing.path)) {
        this.#swallowing.done.resolve();
        this.#swallowing = undefined;
        near.destroy();
        return;
      }
      if (this.#losing && chunk.includes(this.#losing.path)) {
        lost = this.#losing.done;
        this.#losing = undefined;
      }
      // A connection that is kept alive may go on with a WebSocket, which nobody opens twice.
      if (isRequestHead(chunk)) {
        twin?.end();
        twin = undefined;
      }
      if (this.#doubledPath !== undefined && chunk.includes(this.#doubledPath)) {
        this.#doubledPath = undefined;
        twin = connect(port, "127.0.0.1").on("error", () => {});
        // Nobody waits for its answers.
        twin.resume();
        near.once("close", () => twin?.end());
      }
      if (this.#held && chunk.includes(this.#held.path)) {
        held = this.#held.request;
        this.#held = undefined;
        near.pause();
        held.take(near, {
          release: () => {
            far.write(chunk);
            near.resume();
          },
          deliverLate: () => connect(port, "127.0.0.1").resume().end(chunk),
        });
        return;
      }
      twin?.write(chunk);
      far.write(chunk);
    });
    far.on("data", (chunk: Buffer) => {
      if (held) {
        held.keep(chunk);
      } else if (lost) {
        near.destroy();
        lost.resolve();
      } else {
        near.write(chunk);
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }
}

const isRequestHead = (chunk: Buffer): boolean => /^[A-Z]+ \//.test(chunk.toString("latin1", 0, 10));

/** A request that a proxy has taken, and gives on when it is told to. */
class HeldRequest {
  readonly #arrived = Promise.withResolvers<void>();
  readonly #answer = Promise.withResolvers<Buffer>();
  #near: Socket | undefined;
  #ways = { release: (): unknown => undefined, deliverLate: (): unknown => undefined };

  get arrived(): Promise<void> {
    return this.#arrived.promise;
  }

  take(near: Socket, ways: { release: () => unknown; deliverLate: () => unknown }): void {
    this.#near = near;
    this.#ways = ways;
    this.#arrived.resolve();
  }

  /** A small answer comes in one piece. */
  keep(answer: Buffer): void {
    this.#answer.resolve(answer);
  }

  /** To the server, whose answer is kept. */
  release(): void {
    this.#ways.release();
  }

  /** By another connection, as a duplicate does that took longer: it is not bound to what was answered here. */
  deliverLate(): void {
    this.#ways.deliverLate();
  }

  async giveAnswer(): Promise<void> {
    this.#near?.end(await this.#answer.promise);
  }

  /** In the server's place, as its tRPC words it. */
  refuse(status: number, code: string, details?: unknown): void {
    this.answer(status, { error: { message: code, code: -32600, data: { sotto: { code, details } } } });
  }

  /** In its place. */
  answer(status: number, body: unknown, headers: Record<string, string> = {}): void {
    const text = JSON.stringify(body);
    const lines = Object.entries({
      "content-type": "application/json",
      "content-length": String(text.length),
      connection: "close",
      ...headers,
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#near?.end(`HTTP/1.1 ${status} Refused\r\n${lines.join("")}\r\n${text}`);
  }
}
