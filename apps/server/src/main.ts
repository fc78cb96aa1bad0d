import { join } from "node:path";
import { ConfigError, loadConfig, type Config } from "./config.ts";
import { startEmbeddedPostgres } from "./db/embedded-postgres.ts";
import { createLog } from "./log.ts";
import { PortTakenError, startServer } from "./server.ts";

const embeddedPort = 5444;

/** config → database → server → signal → stop. */
async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const log = createLog(config.LOG_LEVEL);
  await using stack = new AsyncDisposableStack();
  const stop = stopSignal();

  const embedded = config.DB_URL
    ? undefined
    : stack.use(
        await startEmbeddedPostgres({
          dataDir: config.DATA_DIR ?? join(import.meta.dirname, "../../../.data/postgres"),
          port: embeddedPort,
          onLog: (line) => log.warn({ line }, "postgres"),
        }),
      );
  const DB_URL = config.DB_URL ?? embedded?.url ?? "";
  const server = stack.use(await startServer({ config: { ...config, DB_URL }, log }));
  process.stdout.write(banner(config, { url: server.url, embedded }));

  log.info({ signal: await stop }, "stopping");
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
  embedded: Awaited<ReturnType<typeof startEmbeddedPostgres>> | undefined;
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
  const isExplained = error instanceof ConfigError || error instanceof PortTakenError;
  process.stderr.write(
    `${isExplained ? error.message : error instanceof Error ? error.stack : String(error)}\n`,
  );
  process.exitCode = 1;
});
