import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

export interface ReceivedRequest {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

interface StandInAnswer {
  status: number;
  body?: string;
  headers?: Record<string, string>;
}

/** Stands for somebody else's service: keeps what it is sent, and answers as the test says. */
export class HttpStandIn implements AsyncDisposable {
  readonly received: ReceivedRequest[] = [];
  answer: (request: ReceivedRequest) => StandInAnswer | Promise<StandInAnswer> = () => ({ status: 200 });
  #waiting: (() => void)[] = [];
  readonly #server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      const { method = "", url: path = "", headers } = request;
      const received = { method, path, headers, body: Buffer.concat(chunks) };
      const answer = await this.answer(received);
      this.received.push(received);
      response.writeHead(answer.status, answer.headers).end(answer.body);
      for (const wake of this.#waiting.splice(0)) wake();
    })().catch(() => response.destroy());
  });

  static async listen(port = 0): Promise<HttpStandIn> {
    const standIn = new HttpStandIn();
    standIn.#server.listen(port, "127.0.0.1");
    await once(standIn.#server, "listening");
    return standIn;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Waits for requests until what was received is enough. */
  async until(isEnough: (received: ReceivedRequest[]) => boolean, limitMs = 15_000): Promise<void> {
    const limit = AbortSignal.timeout(limitMs);
    while (!isEnough(this.received)) {
      if (limit.aborted) throw new Error(`Only ${this.received.length} requests came`);
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        limit.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await Promise.resolve();
  }
}
