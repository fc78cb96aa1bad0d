import { randomBytes, randomUUID } from "node:crypto";
import type { UserId } from "@sotto/schema";
import { afterAll, describe, expect, test } from "vitest";
import { startS3Server } from "../../../test/s3-server.ts";
import { runSql } from "../../../test/sql.ts";
import { startTestServer } from "../../../test/test-server.ts";
import {
  collectBlobs,
  dropBlob,
  openBlob,
  readBlob,
  referenceBlob,
  releaseBlobs,
  storeBlob,
} from "./blobs.service.ts";
import type { BlobId } from "./blobs.tables.ts";

const s3 = await startS3Server();
let now = Date.now();
const limits = { MAX_BLOB_BYTES: "30000000", MAX_USER_BLOB_BYTES: "40000000" };
const servers = {
  postgres: await startTestServer({ env: limits, now: () => new Date(now) }),
  s3: await startTestServer({ env: { ...limits, ...s3.env }, now: () => new Date(now) }),
};
afterAll(async () => {
  await servers.postgres[Symbol.asyncDispose]();
  await servers.s3[Symbol.asyncDispose]();
  await s3[Symbol.asyncDispose]();
});

const mib = 1_048_576;
const newUser = (): UserId => randomUUID() as UserId;

async function* pieces(bytes: Uint8Array, pieceBytes = 50_000): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += pieceBytes) yield bytes.subarray(i, i + pieceBytes);
}

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield Buffer.alloc(65_536);
}

async function* cutOff(): AsyncGenerator<Uint8Array> {
  yield* pieces(randomBytes(12 * mib));
  throw new Error("cut off");
}

describe.each(["postgres", "s3"] as const)("%s", (name) => {
  const { app, database } = servers[name];
  const put = (bytes: Uint8Array, userId = newUser()) => storeBlob(app, { userId, body: pieces(bytes) });
  const reference = (id: BlobId) => app.db.transaction().execute((tx) => referenceBlob(tx, id));
  const release = (id: BlobId) => app.db.transaction().execute((tx) => releaseBlobs(app, tx, [id]));
  const countRows = async (): Promise<unknown> =>
    app.db
      .selectFrom("blobs")
      .select((eb) => [
        eb.fn.countAll().as("blobs"),
        eb
          .selectFrom("blob_chunks")
          .select((each) => each.fn.countAll().as("n"))
          .as("chunks"),
        eb
          .selectFrom("blob_usage")
          .select((each) => each.fn.sum<number>("size_bytes").as("n"))
          .as("used"),
      ])
      .executeTakeFirst();
  const read = (id: BlobId) => readBlob(app, id);
  const readPart = async (id: BlobId, start: number, end: number): Promise<Buffer> => {
    const parts: Uint8Array[] = [];
    for await (const part of (await openBlob(app, id)).open({ start, end })) parts.push(part);
    return Buffer.concat(parts);
  };

  test.each([0, 1, 262_144, 262_145, 5 * mib, 5 * mib + 1, 11 * mib])(
    "gives %i bytes back as they were, whole and in parts",
    async (size) => {
      const bytes = randomBytes(size);
      const blob = await put(bytes);
      expect(blob.sizeBytes).toBe(size);
      expect((await read(blob.id)).equals(bytes)).toBe(true);
      if (size === 0) return;
      for (const [start, end] of [
        [0, Math.min(1, size - 1)],
        [size - 1, size - 1],
        [Math.floor(size / 2), size - 1],
        [Math.min(262_143, size - 1), Math.min(262_144, size - 1)],
      ] as const) {
        expect((await readPart(blob.id, start, end)).equals(bytes.subarray(start, end + 1))).toBe(true);
      }
    },
  );

  test("keeps what is referenced, and collects what was given up or never taken", async () => {
    await collectBlobs(app, 1000);
    const [kept, released, waiting] = [
      await put(randomBytes(10)),
      await put(randomBytes(10)),
      await put(randomBytes(10)),
    ];
    await reference(kept.id);
    await reference(released.id);
    await release(released.id);
    await collectBlobs(app, 1000);
    expect(await read(released.id), "whoever had just found it").toHaveLength(10);
    now += 61_000;
    await collectBlobs(app, 1000);
    expect(await read(kept.id)).toHaveLength(10);
    // Just stored: its reference may be on the way.
    expect(await read(waiting.id)).toHaveLength(10);
    await expect(read(released.id)).rejects.toThrow();
    await expect(
      app.blobs.get(name).read(released.id, { start: 0, end: 9 })[Symbol.asyncIterator]().next(),
    ).rejects.toThrow();
    now += 2 * 3_600_000;
    await collectBlobs(app, 1000);
    await expect(read(waiting.id)).rejects.toThrow();
    await expect(reference(waiting.id)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(await read(kept.id)).toHaveLength(10);
  });

  test("takes one reference, and drops nothing that has one", async () => {
    const blob = await put(randomBytes(10));
    await reference(blob.id);
    await expect(reference(blob.id)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await dropBlob(app, blob.id);
    expect(await read(blob.id)).toHaveLength(10);
  });

  test("an upload that breaks off leaves nothing behind", async () => {
    const before = await countRows();
    await expect(storeBlob(app, { userId: newUser(), body: cutOff() })).rejects.toThrow("cut off");
    expect(await countRows()).toEqual(before);
  });

  test("a blob above the limit is refused, announced or not, and leaves nothing behind", async () => {
    const before = await countRows();
    const userId = newUser();
    const announced = { userId, body: endless(), announcedBytes: 30_000_001 };
    await expect(storeBlob(app, announced)).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    for (const maxBytes of [100, 1_000_000, 1e9]) {
      const upload = { userId, body: endless(), maxBytes };
      await expect(storeBlob(app, upload)).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    }
    expect(await countRows()).toEqual(before);
  });

  test("the user's limit holds for uploads at the same time, and deletion gives room back", async () => {
    const userId = newUser();
    const bytes = randomBytes(15 * mib);
    const results = await Promise.allSettled([put(bytes, userId), put(bytes, userId), put(bytes, userId)]);
    const stored = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    const refused = results.flatMap((result) =>
      result.status === "rejected" ? [result.reason as unknown] : [],
    );
    expect(stored.length).toBeLessThanOrEqual(2);
    for (const error of refused) expect(error).toMatchObject({ code: "STORAGE_QUOTA_EXCEEDED" });
    for (const { id } of stored) await dropBlob(app, id);
    const again = await put(bytes, userId);
    await dropBlob(app, again.id);
    const usage = app.db.selectFrom("blob_usage").select("size_bytes").where("user_id", "=", userId);
    expect(await usage.executeTakeFirst()).toEqual({ size_bytes: 0 });
  });

  test("an upload whose blob was collected meanwhile writes nothing more", async () => {
    const before = await countRows();
    const body = async function* (): AsyncGenerator<Uint8Array> {
      yield randomBytes(6 * mib);
      now += 2 * 3_600_000;
      await collectBlobs(app, 1000);
      yield randomBytes(6 * mib);
    };
    await collectBlobs(app, 1000);
    await expect(storeBlob(app, { userId: newUser(), body: body() })).rejects.toThrow();
    await collectBlobs(app, 1000);
    expect(await countRows()).toMatchObject({ chunks: (before as { chunks: unknown }).chunks });
  });

  test("a crash leaves only what is collected", async () => {
    await collectBlobs(app, 1000);
    const before = await countRows();
    const blob = await put(randomBytes(mib));
    // As if the process had died after dooming it.
    await runSql(database.url, `UPDATE blobs SET doomed_at = now() WHERE id = '${blob.id}'`);
    now += 2 * 3_600_000;
    await collectBlobs(app, 1000);
    expect(await countRows()).toEqual(before);
  });
});

test("a blob stays readable from the store that it was put in", async () => {
  const before = await startTestServer({ database: servers.postgres.database });
  const { id } = await storeBlob(before.app, { userId: newUser(), body: pieces(randomBytes(10)) });
  await before[Symbol.asyncDispose]();
  await using after = await startTestServer({ env: s3.env, database: servers.postgres.database });
  expect(await readBlob(after.app, id)).toHaveLength(10);
});

test("S3 with a wrong secret, or away, is an error that tells no secret, and leaves nothing behind", async () => {
  for (const env of [{ S3_SECRET_ACCESS_KEY: "wrong" }, { S3_BUCKET: "no-such-bucket" }]) {
    await using server = await startTestServer({ env: { ...s3.env, ...env } });
    const stored = storeBlob(server.app, { userId: newUser(), body: pieces(randomBytes(10)) });
    await expect(stored).rejects.toThrow(/^S3 answered 40[34] \w+ to PUT$/);
  }
});
