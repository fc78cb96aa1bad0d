import { inject } from "vitest";
import { loadConfig } from "../src/config.ts";
import { createLog, type Log } from "../src/log.ts";
import { startServer, type RunningServer, type ServerOptions } from "../src/server.ts";
import { createTestDatabase, type TestDatabase } from "./database.ts";

export interface TestServerOptions {
  /** Environment variables beside the test defaults. */
  env?: Record<string, string>;
  /** Share another test server's database. */
  database?: TestDatabase;
  now?: () => Date;
  wrapBus?: ServerOptions["wrapBus"];
  log?: Log;
}

export interface TestServer extends RunningServer {
  database: TestDatabase;
}

/** High enough that no test meets a limit unless it sets one. */
const generous = {
  APP_HOST: "127.0.0.1",
  APP_PORT: "0",
  CHAT_USER_MSGS_PER_MINUTE: "1000000",
  RATE_LIMIT_PER_MINUTE: "1000000",
  CHAT_GROUP_MSGS_PER_MINUTE: "1000000",
  KEY_LOOKUPS_PER_HOUR: "1000000",
  CONTACT_LOOKUPS_PER_HOUR: "1000000",
  CONTACT_NUMBERS_PER_DAY: "100000",
  DB_POOL_SIZE: "8",
};

/** A whole server on a free loopback port, with a database of its own unless it is given one. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  await using stack = new AsyncDisposableStack();
  const database = options.database ?? stack.use(await createTestDatabase());
  const config = { ...loadConfig({ ...generous, ...options.env }), DB_URL: database.url };
  const server = stack.use(
    await startServer({
      config,
      log: options.log ?? createLog(process.env["TEST_LOG_LEVEL"] ?? "silent"),
      ...(options.now ? { now: options.now } : {}),
      ...(options.wrapBus ? { wrapBus: options.wrapBus } : {}),
    }),
  );
  const owned = stack.move();
  return { url: server.url, app: server.app, database, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The Redis of this test run. Where there is none, tests that need it fail with the reason. */
export function requireRedisUrl(): string {
  const redis = inject("redis");
  if ("missing" in redis) throw new Error(`These tests need Redis: ${redis.missing}`);
  return redis.url;
}
