import { join } from "node:path";
import { ConfigError, loadConfig, type Config } from "./config.ts";
import { EmbeddedPostgresError } from "./db/embedded-postgres-error.ts";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "./db/embedded-postgres.ts";
import { createLog, type Log } from "./log.ts";
import { PortTakenError } from "./port-taken-error.ts";

const embeddedPort = 5444;

/** config → database → server → signal → stop. */
async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const log = createLog(config.LOG_LEVEL);
  await using stack = new AsyncDisposableStack();
  const stop = stopSignal();

  // The server's modules load while PostgreSQL starts.
  const modules = import("./server.ts");
  const embedded = config.DB_URL ? undefined : stack.use(await startDatabase(config, log));
  const DB_URL = config.DB_URL ?? embedded?.url ?? "";
  const { startServer } = await modules;
  const server = stack.use(await startServer({ config: { ...config, DB_URL }, log }));
  process.stdout.write(banner(config, { url: server.url, embedded }));

  log.info({ signal: await stop }, "stopping");
}

function startDatabase(config: Config, log: Log): Promise<EmbeddedPostgres> {
  return startEmbeddedPostgres({
    dataDir: config.DATA_DIR ?? join(import.meta.dirname, "../../../.data/postgres"),
    port: embeddedPort,
    // PostgreSQL's routine lines are of no interest to whoever watches the server.
    onLog: (line) =>
      line.includes(" LOG:  ") ? log.debug({ line }, "postgres") : log.warn({ line }, "postgres"),
  });
}

/** Resolves at the first signal; the next one ends the process at once. */
function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    let isStopping = false;
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, () => {
        if (isStopping) process.exit(130);
        isStopping = true;
        resolve(signal);
      });
    }
  });
}

interface Running {
  url: string;
  embedded: EmbeddedPostgres | undefined;
}

function banner(config: Config, { url, embedded }: Running): string {
  const lines = [
    ["Sotto", url],
    ["API", `${url}/docs`],
    ["Data", embedded ? embedded.dataDir : "the database of DB_URL"],
    ...(embedded?.runsAs
      ? [["", `PostgreSQL refuses to run as root, so it runs as ${embedded.runsAs}`]]
      : []),
    ...(config.OTP_MODE === "dev" ? [["OTP", "123456 for every number (OTP_MODE=dev)"]] : []),
    ["Stop", "Ctrl-C"],
  ];
  return `\n${lines.map(([label = "", text = ""]) => `  ${label.padEnd(6)} ${text}`).join("\n")}\n\n`;
}

main().catch((error: unknown) => {
  const isExplained = [ConfigError, PortTakenError, EmbeddedPostgresError].some(
    (kind) => error instanceof kind,
  );
  process.stderr.write(
    `${error instanceof Error ? (isExplained ? error.message : error.stack) : String(error)}\n`,
  );
  process.exitCode = 1;
});
