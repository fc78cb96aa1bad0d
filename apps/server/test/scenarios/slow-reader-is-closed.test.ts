import { once } from "node:events";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { maxBufferedBytes } from "../../src/modules/sync/subscribe.service.ts";
import { ResumingReader } from "../resuming-reader.ts";
import { sendTo, signInWithDevice } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";

test("a reader that stops reading is closed at the buffer limit with 4408, and resumes without loss", async () => {
  await using server = await startTestServer();
  const { url } = server;
  const sender = await signInWithDevice(url, "s");
  const reader = await signInWithDevice(url, "r");
  const socket = new WebSocket(`${url.replace("http", "ws")}/ws?resume=1&token=${reader.token}`);
  const closed = once(socket, "close");
  const caughtUp = new Promise<void>((resolve) => {
    socket.on("message", (data: Buffer) => data.includes('"caught_up"') && resolve());
  });
  await once(socket, "open");
  await caughtUp;
  socket.pause();

  const ciphertext = "x".repeat(200_000);
  let sent = 0;
  // The kernel takes some megabytes before the server's own buffer fills.
  while (sent < 200 && (await closedCount(url)) === 0) {
    await sendTo(
      url,
      { token: sender.token, deviceId: "s" },
      { to: reader.id, ciphertext: `${sent}:${ciphertext}` },
    );
    sent++;
  }
  expect(await closedCount(url)).toBe(1);
  expect(sent * ciphertext.length).toBeGreaterThan(maxBufferedBytes);

  socket.resume();
  const [code] = await closed;
  expect(code).toBe(4408);

  const client = new ResumingReader(url, reader.token);
  const messages = () => [...client.applied.values()].flat().filter((frame) => frame["type"] === "message");
  await client.run({ until: () => messages().length >= sent });
  expect(
    messages().map((frame) => (frame["message"] as { ciphertext: string }).ciphertext.split(":")[0]),
  ).toEqual(Array.from({ length: sent }, (_, i) => String(i)));
});

/** How many sockets the server has closed for reading too slowly. */
async function closedCount(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^sotto_sockets_closed_total\{code="4408"\} (\d+)/m.exec(text)?.[1] ?? 0);
}
