import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer, type RawData } from "ws";

interface Answer {
  path: string;
  status: number;
  text: string;
}

/** Stands between clients and a server, ends their HTTP and WebSockets, and keeps all that passes, unmasked. */
export class RecordingProxy implements AsyncDisposable {
  /** A server that lies: what a client gets in place of a JSON answer, or of a frame of text (its status is 101). */
  alter: ((answer: Answer) => Promise<Answer> | Answer) | undefined;
  readonly fromClients: Buffer[] = [];
  readonly fromServer: Buffer[] = [];
  readonly #target: URL;
  readonly #sockets = new WebSocketServer({ noServer: true, handleProtocols: ([first = ""]) => first });
  readonly #server = createServer((request, response) => this.#forward(request, response));

  private constructor(target: string) {
    this.#target = new URL(target);
    this.#server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#sockets.handleUpgrade(request, socket, head, (near) => this.#join(near, request));
    });
  }

  static async listen(target: string): Promise<RecordingProxy> {
    const proxy = new RecordingProxy(target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    const { url, method, headers } = request;
    this.fromClients.push(Buffer.from(`${method} ${url}\n${request.rawHeaders.join("\n")}\n`));
    const { hostname, port } = this.#target;
    // Whatever is not compressed can be searched.
    const outgoing = httpRequest({
      hostname,
      port,
      path: url,
      method,
      headers: { ...headers, "accept-encoding": "identity" },
    });
    outgoing.on("response", (answer) => {
      this.fromServer.push(Buffer.from(answer.rawHeaders.join("\n")));
      if (answer.headers["content-type"]?.startsWith("application/json")) {
        void this.#answerAltered(answer, { path: url ?? "/", response }).catch(() => response.destroy());
        return;
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      keep(answer, this.fromServer);
      answer.pipe(response);
    });
    outgoing.on("error", () => response.destroy());
    keep(request, this.fromClients);
    request.pipe(outgoing);
  }

  async #answerAltered(
    answer: IncomingMessage,
    { path, response }: { path: string; response: ServerResponse },
  ): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
    const whole = Buffer.concat(chunks);
    this.fromServer.push(whole);
    const given = { path, status: answer.statusCode ?? 502, text: whole.toString() };
    const { status, text } = (await this.alter?.(given)) ?? given;
    const { "content-length": _length, ...headers } = answer.headers;
    response.writeHead(status, headers).end(text);
  }

  #join(near: WebSocket, { url = "/", headers }: IncomingMessage): void {
    this.fromClients.push(Buffer.from(url));
    const protocols = headers["sec-websocket-protocol"]?.split(/,\s*/) ?? [];
    const far = new WebSocket(`ws://${this.#target.host}${url}`, protocols, {
      perMessageDeflate: false,
      headers: headers.authorization === undefined ? {} : { authorization: headers.authorization },
    });
    const opened = once(far, "open");
    opened.catch(() => near.close(1011));
    const lie = async (text: string): Promise<string> => {
      const given = { path: url, status: 101, text };
      return ((await this.alter?.(given)) ?? given).text;
    };
    const relay = (from: WebSocket, to: WebSocket, kept: Buffer[]): void => {
      let sent: Promise<unknown> = opened;
      from.on("message", (data: RawData, isBinary) => {
        const bytes = Buffer.isBuffer(data) ? data : Buffer.concat([data].flat() as Buffer[]);
        kept.push(bytes);
        // In order, however long a lie takes.
        sent = sent
          .then(async () => (from === far && !isBinary ? lie(bytes.toString()) : bytes))
          .then((given) => to.send(given, { binary: isBinary }))
          .catch(() => {});
      });
      from.on("close", (code) => to.close(code >= 3000 || code === 1000 ? code : 1000));
      from.on("error", () => to.terminate());
    };
    relay(near, far, this.fromClients);
    relay(far, near, this.fromServer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#server.closeAllConnections();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }
}

/** One whole body in one piece: a text may be spread over its chunks. */
function keep(body: IncomingMessage, kept: Buffer[]): void {
  const chunks: Buffer[] = [];
  body.on("data", (chunk: Buffer) => chunks.push(chunk));
  body.on("end", () => kept.push(Buffer.concat(chunks)));
}
