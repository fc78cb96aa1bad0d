import { DatabaseSync } from "node:sqlite";
import { expect, test, vi } from "vitest";
import { canary, catchError, newPath, readFiles, withDatabase } from "./file-store-fixtures.ts";
import { changeFileSecret, fileStore } from "./file-store.ts";
import { encodeValue } from "./value-codec.ts";

const key = new Uint8Array(32).fill(7);
const [old, fresh] = [{ passphrase: "the old one" }, { passphrase: "the new one" }];

/** What a full disk says of a file that is written anew as a whole. */
async function withoutRoomToCompact<T>(run: () => Promise<T>): Promise<T> {
  const exec = Object.getOwnPropertyDescriptor(DatabaseSync.prototype, "exec")?.value as (
    sql: string,
  ) => void;
  const spy = vi.spyOn(DatabaseSync.prototype, "exec").mockImplementation(function (this: DatabaseSync, sql) {
    if (/vacuum|checkpoint/u.test(sql)) throw new Error("database or disk is full");
    exec.call(this, sql);
  });
  try {
    return await run();
  } finally {
    spy.mockRestore();
  }
}

test("where there is no room to compact the file, the secret is changed all the same", async () => {
  const path = newPath();
  const store = await fileStore(path, old);
  await store.commit([{ key: "a", value: canary }]);
  await store.close();
  await withoutRoomToCompact(() => changeFileSecret(path, old, fresh));
  expect(await catchError(() => fileStore(path, old))).toMatchObject({ code: "WRONG_PASSPHRASE" });
  const again = await fileStore(path, fresh);
  expect(await again.get("a")).toBe(canary);
  await again.close();
}, 60_000);

test("a file that could not be compacted is, once it is opened where there is room", async () => {
  const path = newPath();
  // Deleted without being overwritten, as an earlier version did.
  withDatabase(path, (database) => {
    database.exec("create table items (key text primary key, value blob not null) without rowid");
    const insert = database.prepare("insert into items (key, value) values (?, ?)");
    for (let at = 0; at < 500; at++) insert.run(`n/${at}`, encodeValue(`${canary} ${at}`));
    database.exec("delete from items where key > 'n/1'");
  });
  await withoutRoomToCompact(async () => {
    for (let opened = 0; opened < 2; opened++) {
      const store = await fileStore(path, { key });
      expect(await store.get("n/0")).toBe(`${canary} 0`);
      await store.close();
    }
  });
  expect(readFiles(path)).toContain(canary);
  const store = await fileStore(path, { key });
  expect(readFiles(path)).not.toContain(canary);
  expect(await store.get("n/0")).toBe(`${canary} 0`);
  await store.close();
});
