import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startBodyDeadline } from "./body-deadline.ts";
import { openUpload } from "./rest/body.ts";

// Only what the code under test waits for: sockets keep their own timers.
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

interface Exchange {
  client: Socket;
  request: IncomingMessage;
  response: ServerResponse;
  /** What the client has been answered, once the connection has ended. */
  answered: Promise<string>;
}

/** A request that announces ten bytes and sends five. */
async function exchange(work: (exchange: Exchange) => Promise<void>): Promise<void> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  let text = "";
  client.on("data", (chunk: Buffer) => (text += chunk.toString()));
  client.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345");
  const answered = once(client, "close").then(() => text);
  const [request, response] = (await once(server, "request")) as [IncomingMessage, ServerResponse];
  startBodyDeadline(request, response);
  try {
    await work({ client, request, response, answered });
  } finally {
    client.destroy();
    server.close();
  }
}

test("a body that is not here after 30 s is cut with 408", async () => {
  await exchange(async ({ answered }) => {
    vi.advanceTimersByTime(29_999);
    vi.advanceTimersByTime(2);
    expect(await answered).toMatch(/^HTTP\/1\.1 408 /);
  });
});

test("one that came is left alone", async () => {
  await exchange(async ({ client, request, response, answered }) => {
    client.write("67890");
    request.resume();
    await once(request, "end");
    vi.advanceTimersByTime(60_000);
    response.setHeader("connection", "close").end("done");
    expect(await answered).toContain("done");
  });
});

test("an upload may take longer, as long as it moves", async () => {
  await exchange(async ({ client, request }) => {
    const body = openUpload(request)[Symbol.asyncIterator]();
    expect(String((await body.next()).value)).toBe("12345");
    // Time that the reader takes does not count.
    vi.advanceTimersByTime(3_600_000);
    const next = body.next();
    client.write("67890");
    expect(String((await next).value)).toBe("67890");
    expect((await body.next()).done).toBe(true);
  });
});

test("an upload that stalls is given up, and can still be answered", async () => {
  await exchange(async ({ request, response, answered }) => {
    const body = openUpload(request)[Symbol.asyncIterator]();
    await body.next();
    const next = body.next();
    const refused = expect(next).rejects.toMatchObject({ code: "REQUEST_TIMEOUT" });
    await vi.advanceTimersByTimeAsync(30_001);
    await refused;
    response.writeHead(408, { connection: "close" }).end();
    expect(await answered).toMatch(/^HTTP\/1\.1 408 /);
  });
});
