import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { memoryStore } from "../storage/memory-store.ts";
import { directorySpool } from "./directory-spool.ts";
import { spoolPieceBytes, storeSpool } from "./spool.ts";

const directory = mkdtempSync(join(tmpdir(), "sotto-spool-"));
afterAll(() => rmSync(directory, { recursive: true }));
const store = memoryStore();

const piece = (fill: number, length = spoolPieceBytes) => new Uint8Array(length).fill(fill);

describe.each([
  ["in the store", storeSpool(store)],
  ["in a directory", directorySpool(join(directory, "files"))],
])("%s", (_, spool) => {
  test("pieces are given back as they were written, until they are removed", async () => {
    expect(await spool.list()).toEqual([]);
    expect(await spool.read("a", 0)).toBeUndefined();
    await spool.write("a", 0, piece(1));
    await spool.write("b", 0, piece(9, 5));
    await spool.write("a", 1, piece(2));
    await spool.write("a", 2, piece(3, 10));
    expect((await spool.list()).toSorted()).toEqual(["a", "b"]);
    for (const [at, expected] of [piece(1), piece(2), piece(3, 10)].entries()) {
      expect(Buffer.from((await spool.read("a", at)) ?? []).equals(expected)).toBe(true);
    }
    expect(await spool.read("a", 3)).toBeUndefined();
    await spool.remove("a");
    await spool.remove("a");
    expect(await spool.read("a", 0)).toBeUndefined();
    expect(await spool.list()).toEqual(["b"]);
    await spool.remove("b");
    expect(await spool.list()).toEqual([]);
  });
});

test("nothing is left in the store", async () => {
  expect(await store.list("")).toEqual([]);
});

test("the files are for their owner alone", async () => {
  const spool = directorySpool(join(directory, "own"));
  await spool.write("a/../b", 0, new Uint8Array(5));
  expect(await spool.list()).toEqual(["a/../b"]);
  expect(statSync(join(directory, "own")).mode & 0o777).toBe(0o700);
});

test("a piece of which the disk takes only a part is not taken for stored", async () => {
  const module = new URL("./directory-spool.ts", import.meta.url).href;
  const script = `
    import { directorySpool } from ${JSON.stringify(module)};
    const spool = directorySpool(${JSON.stringify(join(directory, "full"))});
    await spool.write("a", 0, new Uint8Array(${spoolPieceBytes}));`;
  // A limit on the length of files cuts a write short as a full disk does.
  const run = `ulimit -f 500; exec "$0" --conditions=@sotto/source --input-type=module -e "$1"`;
  const writing = promisify(execFile)("sh", ["-c", run, process.execPath, script]);
  await expect(writing).rejects.toMatchObject({ stderr: expect.stringContaining("EFBIG") as unknown });
});
