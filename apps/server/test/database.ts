import { randomBytes } from "node:crypto";
import { inject } from "vitest";
import { databaseUrl, runSql } from "./sql.ts";

export type TestDatabase = AsyncDisposable & { url: string };

/** Clones the migrated template; the clone is dropped, with all that is connected to it, when disposed. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const postgresUrl = inject("postgresUrl");
  const name = `test_${randomBytes(8).toString("hex")}`;
  await runSql(
    postgresUrl,
    `CREATE DATABASE ${name} TEMPLATE ${inject("templateDatabase")} STRATEGY FILE_COPY`,
  );
  return {
    url: databaseUrl(postgresUrl, name),
    [Symbol.asyncDispose]: async () => {
      await runSql(postgresUrl, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}
