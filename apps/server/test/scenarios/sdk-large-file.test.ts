import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { directorySpool } from "@sotto/sdk/node";
import { expect, test } from "vitest";
import { watchMemory } from "../memory.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { lastFile, mib } from "../sdk-files.ts";
import { startTestServer } from "../test-server.ts";

/** For 1 GB: `FILE_MIB=1000 npm test -- sdk-large-file`. */
const sizeMib = Number(process.env["FILE_MIB"] ?? 100);
/** A sample collects all garbage first, and takes longer than ten MiB do. */
const sampleMib = Math.ceil(sizeMib / 5);
const timeoutMs = Math.max(60_000, sizeMib * 1000);

test(
  `${sizeMib} MiB are encrypted, uploaded, downloaded and opened without being held`,
  async () => {
    const directory = await mkdtemp(path.join(tmpdir(), "sotto-large-"));
    const env = { MAX_BLOB_BYTES: String(2 * sizeMib * mib) };
    await using server = await startTestServer({ env });
    await using alice = await TestUser.open({ url: server.url, spool: directorySpool(directory) });
    await using bob = await TestUser.open({ url: server.url });
    const [up, down, always] = [watchMemory(), watchMemory(), watchMemory()];
    // Also while a part is on its way.
    using _timer = setInterval(always.sample, 1000);
    const sent = createHash("sha256");
    const source = async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < sizeMib; at++) {
        const piece = new Uint8Array(mib).fill(at % 251);
        sent.update(piece);
        yield piece;
        if (at % sampleMib === 0) up.sample();
      }
    };
    let uploadedAt = 0;
    await alice.to(bob).sendFile(source(), {
      name: "large",
      onProgress: ({ phase, done }) => {
        if (phase !== "uploading" || done - uploadedAt < sampleMib * mib) return;
        uploadedAt = done;
        up.sample();
      },
    });
    await bob.untilReceived(1);
    const file = lastFile(bob);
    expect(file.size).toBe(sizeMib * mib);
    const received = createHash("sha256");
    let sampledAt = 0;
    const stream = bob.client.files.download(file, {
      onProgress: ({ done }) => {
        if (done - sampledAt < sampleMib * mib) return;
        sampledAt = done;
        down.sample();
      },
    });
    for await (const chunk of stream) received.update(chunk);
    expect(received.digest("hex")).toBe(sent.digest("hex"));
    for (const { peakBytes } of [up, down, always]) expect(peakBytes()).toBeLessThan(48 * mib);
    expect(up.medianBytes()).toBeLessThan(32 * mib);
    expect(down.medianBytes()).toBeLessThan(32 * mib);
    await rm(directory, { recursive: true });
  },
  timeoutMs,
);
