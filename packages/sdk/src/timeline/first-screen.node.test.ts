import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "vitest";
import { fileStore } from "../storage/file-store.ts";
import { testFirstScreen } from "./first-screen-fixtures.ts";

test("of 100,000 messages in a file the first screen opens at once", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sotto-screen-"));
  try {
    await testFirstScreen((name) => fileStore(join(folder, name), { key: new Uint8Array(32) }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);
