import { randomBytes } from "node:crypto";
import path from "node:path";
import type { TestProject } from "vitest/node";
import { startEmbeddedPostgres } from "../src/db/embedded-postgres.ts";
import { migrateDatabase } from "../src/db/migrate.ts";
import { findFreePort } from "./free-port.ts";
import { makeTestRunFolder, removeLeftovers } from "./leftovers.ts";
import { startRedis } from "./redis.ts";
import { databaseUrl, runSql } from "./sql.ts";

declare module "vitest" {
  interface ProvidedContext {
    postgresUrl: string;
    templateDatabase: string;
    redis: { url: string } | { missing: string };
  }
}

// The data of a test run need not survive a power cut.
const settings = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  autovacuum: "off",
  max_connections: "300",
  shared_buffers: "64MB",
  max_wal_size: "256MB",
};

/** Gives the tests a PostgreSQL with a migrated template database, and a Redis. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  await using resources = new AsyncDisposableStack();
  await removeLeftovers();
  const folder = await makeTestRunFolder();
  resources.defer(() => removeLeftovers(process.pid));
  const redis = startRedis({ pidFile: path.join(folder, "redis.pid") }).catch((error: unknown) => ({
    missing: String(error),
  }));
  const postgresUrl = process.env["TEST_DB_URL"] ?? (await startPostgres(folder, resources));
  const templateDatabase = await createTemplate(postgresUrl, resources);
  project.provide("postgresUrl", postgresUrl);
  project.provide("templateDatabase", templateDatabase);
  const redisOrReason = await redis;
  if ("missing" in redisOrReason) project.provide("redis", redisOrReason);
  else project.provide("redis", { url: resources.use(redisOrReason).url });
  const kept = resources.move();
  return () => kept.disposeAsync();
}

async function startPostgres(folder: string, resources: AsyncDisposableStack): Promise<string> {
  const dataDir = path.join(folder, "data");
  const postgres = resources.use(
    await startEmbeddedPostgres({ dataDir, port: await findFreePort(), settings }),
  );
  return postgres.url;
}

async function createTemplate(postgresUrl: string, resources: AsyncDisposableStack): Promise<string> {
  const name = `sotto_template_${randomBytes(4).toString("hex")}`;
  await runSql(postgresUrl, `CREATE DATABASE ${name}`);
  resources.defer(async () => {
    await runSql(postgresUrl, `ALTER DATABASE ${name} IS_TEMPLATE false`);
    await runSql(postgresUrl, `DROP DATABASE ${name} WITH (FORCE)`);
  });
  await migrateDatabase(databaseUrl(postgresUrl, name));
  // A connection to the template would make cloning it fail.
  await runSql(postgresUrl, `ALTER DATABASE ${name} IS_TEMPLATE true ALLOW_CONNECTIONS false`);
  return name;
}
