import { randomBytes, randomUUID } from "node:crypto";
import type { UserId } from "@sotto/schema";
import { expect, test } from "vitest";
import { watchMemory } from "../../../test/memory.ts";
import { startS3Server } from "../../../test/s3-server.ts";
import { startTestServer } from "../../../test/test-server.ts";
import { openBlob, storeBlob } from "./blobs.service.ts";

const mib = 1_048_576;
const sampleBytes = 5 * mib;

// What is held whole would be half of it at the median. S3 holds a part of 5 MiB a few times over: ours,
// the client's copies, and that of the server, which runs in this process.
test.each([
  { name: "postgres", sizeBytes: 30 * mib, maxHeldBytes: 4 * mib },
  { name: "s3", sizeBytes: 75 * mib, maxHeldBytes: 28 * mib },
])(
  "$name lets $sizeBytes bytes through without holding them",
  { timeout: 90_000 },
  async ({ name, sizeBytes, maxHeldBytes }) => {
    await using s3 = await startS3Server();
    await using server = await startTestServer({ env: name === "s3" ? s3.env : {} });
    const { app } = server;
    const piece = randomBytes(mib);
    const [up, down] = [watchMemory(), watchMemory()];
    const body = async function* (): AsyncGenerator<Uint8Array> {
      for (let sent = 0; sent < sizeBytes; sent += mib) {
        yield piece;
        if (sent % sampleBytes === 0) up.sample();
      }
    };
    const { id } = await storeBlob(app, { userId: randomUUID() as UserId, body: body() });
    const { open } = await openBlob(app, id);
    let received = 0;
    let sampled = 0;
    for await (const part of open({ start: 0, end: sizeBytes - 1 })) {
      received += part.length;
      if (received - sampled < sampleBytes) continue;
      sampled = received;
      down.sample();
    }
    expect(received).toBe(sizeBytes);
    expect(up.medianBytes()).toBeLessThan(maxHeldBytes);
    expect(down.medianBytes()).toBeLessThan(maxHeldBytes);
  },
);
