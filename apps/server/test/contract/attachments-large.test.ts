import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { watchMemory } from "../memory.ts";
import { startTestServer } from "../test-server.ts";
import { download, newMessage, uploaded } from "./attachments.ts";
import { newPair } from "./people.ts";

const mib = 1_048_576;
const sizeMib = 50;

test("50 MiB go up and down without being held, also to a client that reads slowly", async () => {
  await using server = await startTestServer();
  const { url } = server;
  const [ada, bob] = await newPair(url);
  const id = await newMessage(url, ada, bob);
  const piece = randomBytes(mib);
  const [up, down] = [watchMemory(), watchMemory()];
  const sent = createHash("sha256");
  const body = async function* (): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < sizeMib; i++) {
      sent.update(piece);
      yield piece;
      if (i % 5 === 4) up.sample();
    }
  };
  const { id: attachment } = await uploaded(url, id, { token: ada.token, body: body() });

  const response = await download(url, attachment, bob);
  const received = createHash("sha256");
  let bytes = 0;
  let sampledAt = 0;
  for await (const part of response.body ?? []) {
    received.update(part);
    bytes += part.length;
    if (bytes - sampledAt < 5 * mib) continue;
    sampledAt = bytes;
    // The database could be read far ahead by now.
    await server.app.db.selectFrom("users").select("id").execute();
    down.sample();
  }
  expect(bytes).toBe(sizeMib * mib);
  expect(received.digest("hex")).toBe(sent.digest("hex"));
  // Held, it would be 25 MiB at the median.
  expect(up.medianBytes()).toBeLessThan(8 * mib);
  expect(down.medianBytes()).toBeLessThan(8 * mib);
});
