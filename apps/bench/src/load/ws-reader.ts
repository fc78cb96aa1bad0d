import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";

const opcodes = { text: 1, close: 8, ping: 9, pong: 10 } as const;
const trpcPing = Buffer.from("PING");

interface ReaderOptions {
  url: string;
  /** Path and query. */
  path: string;
  /** Called with the payload of each text frame; the bytes are gone afterwards. */
  onText: (payload: Buffer) => void;
  protocol?: string;
}

/**
 * A WebSocket client (RFC 6455) that reads frames with little CPU, so that many of them fit beside the server on the
 * same cores: `ws` spends as much on a frame as the server that sends it.
 */
export class WsReader implements Disposable {
  readonly socket: Socket;
  /** The close code; 1006 when the connection ended without one. */
  readonly closed: Promise<number>;
  readonly #options: ReaderOptions;
  #rest: Buffer = Buffer.alloc(0);
  #isOpen = false;
  #code = 1006;
  readonly #opened = Promise.withResolvers<void>();

  private constructor(options: ReaderOptions) {
    this.#options = options;
    const { hostname, port } = new URL(options.url);
    this.socket = connect({ port: Number(port), host: hostname, noDelay: true });
    this.socket.on("data", (chunk: Buffer) => this.#take(chunk));
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      this.socket.once("close", () => {
        this.#opened.reject(new Error("The WebSocket did not open"));
        resolve(this.#code);
      });
    });
    this.socket.write(
      `GET ${options.path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`,
    );
  }

  static async open(options: ReaderOptions): Promise<WsReader> {
    const reader = new WsReader(options);
    await reader.#opened.promise;
    return reader;
  }

  send(text: string): void {
    this.#write(opcodes.text, Buffer.from(text));
  }

  #take(chunk: Buffer): void {
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    if (!this.#isOpen) {
      const end = data.indexOf("\r\n\r\n");
      if (end < 0) {
        this.#rest = data;
        return;
      }
      if (data.toString("latin1", 9, 12) !== "101") return void this.socket.destroy();
      this.#isOpen = true;
      data = data.subarray(end + 4);
      this.#opened.resolve();
    }
    let at = 0;
    for (;;) {
      const frame = readFrame(data, at);
      if (!frame) break;
      at = frame.end;
      this.#handle(frame.opcode, data.subarray(frame.start, frame.end));
    }
    this.#rest = data.subarray(at);
  }

  #handle(opcode: number, payload: Buffer): void {
    // tRPC has a ping of its own.
    if (opcode === opcodes.text && payload.equals(trpcPing)) this.send("PONG");
    else if (opcode === opcodes.text) this.#options.onText(payload);
    else if (opcode === opcodes.ping) this.#write(opcodes.pong, payload);
    else if (opcode === opcodes.close) {
      this.#code = payload.length >= 2 ? payload.readUInt16BE() : 1005;
      this.socket.destroy();
    }
  }

  /** Masked with zeros, which leaves the payload as it is. */
  #write(opcode: number, payload: Buffer): void {
    const short = payload.length < 126;
    const head = Buffer.alloc(short ? 6 : 8);
    head[0] = 0x80 | opcode;
    head[1] = 0x80 | (short ? payload.length : 126);
    if (!short) head.writeUInt16BE(payload.length, 2);
    this.socket.write(Buffer.concat([head, payload]));
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

function readFrame(data: Buffer, at: number): { opcode: number; start: number; end: number } | undefined {
  if (data.length < at + 2) return undefined;
  const short = (data[at + 1] ?? 0) & 0x7f;
  const start = at + (short === 126 ? 4 : short === 127 ? 10 : 2);
  if (data.length < start) return undefined;
  const length =
    short === 126 ? data.readUInt16BE(at + 2) : short === 127 ? Number(data.readBigUInt64BE(at + 2)) : short;
  if (data.length < start + length) return undefined;
  return { opcode: (data[at] ?? 0) & 0x0f, start, end: start + length };
}
