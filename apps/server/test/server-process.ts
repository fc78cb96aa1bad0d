import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { findFreePort } from "./free-port.ts";

const main = path.join(import.meta.dirname, "../src/main.ts");

export interface ServerProcess extends AsyncDisposable {
  url: string;
  port: number;
  /** Ends it without a word, as a crash does. */
  kill(): Promise<void>;
}

/** A server as a process of its own, ready to be asked. */
export async function launchServer(options: {
  databaseUrl: string;
  port?: number;
  env?: Record<string, string>;
}): Promise<ServerProcess> {
  const port = options.port ?? (await findFreePort());
  const child = spawn(process.execPath, ["--conditions=@sotto/source", main], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...process.env,
      APP_HOST: "127.0.0.1",
      APP_PORT: String(port),
      DB_URL: options.databaseUrl,
      LOG_LEVEL: "warn",
      CHAT_USER_MSGS_PER_MINUTE: "1000000",
      RATE_LIMIT_PER_MINUTE: "1000000",
      ...options.env,
    },
  });
  const ended = once(child, "close");
  await waitForBanner(child);
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  return { url: `http://127.0.0.1:${port}`, port, kill, [Symbol.asyncDispose]: kill };
}

/** The first thing that it prints, once it listens. */
async function waitForBanner(child: ChildProcess): Promise<void> {
  await Promise.race([
    once(child.stdout ?? child, "data"),
    once(child, "close").then(([code]) => {
      throw new Error(`the server ended with ${String(code)} before it listened`);
    }),
  ]);
}
