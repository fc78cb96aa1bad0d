import { connect, type Socket } from "node:net";

export interface HttpAnswer {
  status: number;
  body: string;
}

/**
 * One kept-alive HTTP/1.1 connection with one request at a time. Clients that do more (`fetch`, `node:http`) cost
 * several times the CPU of the server that is measured beside them on the same cores.
 */
export class HttpConnection implements Disposable {
  readonly #socket: Socket;
  #pending: PromiseWithResolvers<HttpAnswer> | undefined;
  #text = "";

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay();
    // Bodies here are ASCII, so characters are bytes.
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => this.#take(chunk));
    socket.on("error", () => {});
    socket.on("close", () => this.#pending?.reject(new Error("The connection was closed")));
  }

  static async open(url: string): Promise<HttpConnection> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new HttpConnection(socket);
  }

  request(text: string): Promise<HttpAnswer> {
    this.#text = "";
    this.#pending = Promise.withResolvers();
    this.#socket.write(text, "latin1");
    return this.#pending.promise;
  }

  #take(chunk: string): void {
    this.#text += chunk;
    const end = this.#text.indexOf("\r\n\r\n");
    if (end < 0) return;
    const head = this.#text.slice(0, end).toLowerCase();
    const body = this.#text.slice(end + 4);
    const length = /\r\ncontent-length: *(\d+)/.exec(head)?.[1];
    const isWhole = length === undefined ? body.endsWith("0\r\n\r\n") : body.length >= Number(length);
    if (!isWhole) return;
    this.#pending?.resolve({ status: Number(head.slice(9, 12)), body });
    this.#pending = undefined;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** The bytes of a request with a JSON body, or without one. */
export function writeRequest(line: string, token: string, body?: string): string {
  const content =
    body === undefined
      ? ""
      : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
  return `${line} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${token}\r\n${content}\r\n${body ?? ""}`;
}
