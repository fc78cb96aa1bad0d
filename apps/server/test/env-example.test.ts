import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseEnv } from "node:util";
import { expect, test } from "vitest";
import { loadConfig } from "../src/config.ts";

test(".env.example shows the defaults", async () => {
  const example = parseEnv(await readFile(path.join(import.meta.dirname, "../../../.env.example"), "utf8"));
  expect(loadConfig(example)).toEqual(loadConfig({}));
});
