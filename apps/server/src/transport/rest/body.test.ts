import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { expect, test } from "vitest";
import { readJsonBody } from "./body.ts";

const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n";

async function exchange(work: (client: Socket, request: IncomingMessage) => Promise<void>): Promise<void> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  client.write(`${head}{"a":`);
  const [request] = (await once(server, "request")) as [IncomingMessage, ServerResponse];
  try {
    await work(client, request);
  } finally {
    client.destroy();
    server.close();
  }
}

test("a body that comes in parts is read whole", async () => {
  await exchange(async (client, request) => {
    const reading = readJsonBody(request);
    await once(request, "data");
    client.write("123}");
    expect(await reading).toEqual({ a: 123 });
  });
});

test("of a client that goes while its body is read, the connection's error is thrown", async () => {
  await exchange(async (client, request) => {
    const reading = readJsonBody(request);
    const refused = expect(reading).rejects.toMatchObject({ code: "ECONNRESET" });
    client.destroy();
    await refused;
    expect(request.errored).toMatchObject({ code: "ECONNRESET" });
  });
});

test("of a client that is gone before its body is read, nobody waits for the rest", async () => {
  await exchange(async (client, request) => {
    client.destroy();
    await new Promise((resolve) => request.once("close", resolve));
    expect(request.destroyed).toBe(true);
    await expect(readJsonBody(request)).rejects.toThrow();
  });
});
