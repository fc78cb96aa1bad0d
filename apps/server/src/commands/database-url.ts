import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Config } from "../config.ts";
import { CommandError } from "./command-error.ts";

const embeddedPort = 5444;

/** The server's database: that of `DB_URL`, or the embedded one, which runs while the server does. */
export async function findDatabaseUrl(config: Config): Promise<string> {
  if (config.DB_URL) return config.DB_URL;
  const dataDir = path.resolve(
    config.DATA_DIR ?? path.join(import.meta.dirname, "../../../../.data/postgres"),
  );
  const password = await readFile(`${dataDir}.password`, "utf8").catch(() => {
    throw new CommandError("No database: set DB_URL, or start the server, which brings its own.");
  });
  return `postgresql://postgres:${password.trim()}@127.0.0.1:${embeddedPort}/chat`;
}
