import { createHash, randomBytes } from "node:crypto";
import type { FileMessage, FileToDownload } from "@sotto/sdk";
import { expect } from "vitest";
import { runMaintenance } from "../src/maintenance.ts";
import type { TestUser } from "./sdk-fixtures.ts";
import type { TestServer } from "./test-server.ts";

export const mib = 1_048_576;

export function randomFile(bytes: number): Blob {
  return new Blob([new Uint8Array(randomBytes(bytes))], { type: "image/png" });
}

export const digestOf = async (blob: Blob): Promise<string> =>
  createHash("sha256")
    .update(new Uint8Array(await blob.arrayBuffer()))
    .digest("hex");

/** The file of the last message that came. */
export function lastFile(user: TestUser): FileMessage {
  const last = user.received.at(-1);
  if (last?.kind !== "file") throw new Error(`no file: ${last?.kind}`);
  return last;
}

export async function downloaded(user: TestUser, file: FileToDownload): Promise<Blob> {
  return new Response(user.client.files.download(file)).blob();
}

/** What of files the server has after a collection, a day later where the clock can be moved. */
export async function countBlobs({ app }: TestServer): Promise<number[]> {
  await runMaintenance(app);
  const tables = ["blobs", "blob_uploads", "blob_chunks", "attachments"] as const;
  return Promise.all(
    tables.map(async (table) => {
      const row = await app.db
        .selectFrom(table)
        .select((eb) => eb.fn.countAll<number>().as("count"))
        .executeTakeFirstOrThrow();
      return row.count;
    }),
  );
}

export async function expectSame(user: TestUser, file: Blob, sent = lastFile(user)): Promise<void> {
  expect(await digestOf(await downloaded(user, sent))).toBe(await digestOf(file));
}
