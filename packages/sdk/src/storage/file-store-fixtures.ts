/** For tests only: files in a folder of their own, and what is in them. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll } from "vitest";

export const folder = mkdtempSync(join(tmpdir(), "sotto-store-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let made = 0;
export const canary = "canary-of-the-file-store";
export const newPath = () => join(folder, `${made++}.sotto`);

export function withDatabase<T>(path: string, run: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(path);
  try {
    return run(database);
  } finally {
    database.close();
  }
}

/** The database with what SQLite has put beside it. */
export function readFiles(path: string): string {
  return [path, `${path}-wal`]
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, "latin1"))
    .join("");
}

export async function catchError(run: () => Promise<unknown>): Promise<unknown> {
  try {
    return await run();
  } catch (error) {
    return error;
  }
}
