import { once } from "node:events";
import { WebSocket } from "ws";
import type { Json } from "./rest-client.ts";

const waitMs = 10_000;

/** A third-party client's plain `/ws` connection: keeps every frame, and waits for what a test expects. */
export class WsClient implements AsyncDisposable {
  readonly frames: Json[] = [];
  readonly socket: WebSocket;
  /** The close code, once closed. */
  readonly closed: Promise<number>;
  readonly #waiting = new Set<() => void>();

  constructor(url: string, options: { token?: string; resume?: boolean; header?: boolean } = {}) {
    const query = new URLSearchParams();
    if (options.token !== undefined && !options.header) query.set("token", options.token);
    if (options.resume) query.set("resume", "1");
    const target = `${url.replace(/^http/, "ws")}/ws?${query.toString()}`;
    this.socket = options.header
      ? new WebSocket(target, { headers: { authorization: `Bearer ${options.token ?? ""}` } })
      : new WebSocket(target);
    this.socket.on("message", (data) => {
      this.frames.push(JSON.parse((data as Buffer).toString()) as Json);
      for (const check of this.#waiting) check();
    });
    this.socket.on("error", () => {});
    this.closed = once(this.socket, "close").then(([code]) => Number(code));
  }

  static async connect(...options: ConstructorParameters<typeof WsClient>): Promise<WsClient> {
    const client = new WsClient(...options);
    await once(client.socket, "open");
    return client;
  }

  /** Frames of a type, in the order of their arrival. */
  ofType(type: string): Json[] {
    return this.frames.filter((frame) => frame["type"] === type);
  }

  /** Waits until the condition holds, checked at each frame. */
  async until(what: string, condition: () => boolean): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve, reject) => {
      const settle = (): void => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#waiting.delete(settle);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(settle);
        reject(new Error(`waited ${waitMs} ms for ${what}; ${this.frames.length} frames came`));
      }, waitMs);
      this.#waiting.add(settle);
    });
  }

  /** Waits for the first frame of a type. */
  async next(type: string): Promise<Json> {
    await this.until(`a frame of type ${type}`, () => this.ofType(type).length > 0);
    return this.ofType(type)[0] ?? {};
  }

  send(frame: object): void {
    this.socket.send(JSON.stringify(frame));
  }

  /** Cuts the connection without a word. */
  cut(): void {
    this.socket.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.terminate();
    if (this.socket.readyState !== WebSocket.CLOSED) await this.closed;
  }
}
