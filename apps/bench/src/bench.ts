import { mkdtemp, rm, chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { findFreePort } from "../../server/test/free-port.ts";
import { MeasuredProcess } from "./measured-process.ts";
import { Load } from "./load/load.ts";
import type { Target } from "./load/target.ts";
import type { Options } from "./options.ts";
import { fillPeople, jwtSecret, type Population } from "./people.ts";
import { startPostgres, type Postgres } from "./postgres.ts";

const startLimitMs = 30_000;
const floorFile = path.join(import.meta.dirname, "floor/floor.ts");
const rawFile = path.join(import.meta.dirname, "floor/raw-ws.ts");

/** A server that is measured, or the limit beside it. */
export interface Running extends AsyncDisposable {
  name: string;
  target: Target;
  process: MeasuredProcess;
  databaseUrl: string;
}

export type Kind = Target["kind"];

/** What every scenario needs: the database server, the machines to start, and what the command line said. */
export class Bench implements AsyncDisposable {
  readonly options: Options;
  readonly postgres: Postgres;
  readonly folder: string;
  readonly #owned: AsyncDisposableStack;
  #databases = 0;

  private constructor(parts: {
    options: Options;
    postgres: Postgres;
    folder: string;
    owned: AsyncDisposableStack;
  }) {
    this.options = parts.options;
    this.postgres = parts.postgres;
    this.folder = parts.folder;
    this.#owned = parts.owned;
  }

  static async open(options: Options): Promise<Bench> {
    await using owned = new AsyncDisposableStack();
    const folder = await mkdtemp(path.join(tmpdir(), "sotto-bench-"));
    // PostgreSQL runs as another user when we are root.
    await chmod(folder, 0o711);
    owned.defer(() => rm(folder, { recursive: true, force: true }));
    const postgres = owned.use(await startPostgres(folder, await findFreePort()));
    return new Bench({ options, postgres, folder, owned: owned.move() });
  }

  /** Tells whoever waits what is going on; the table comes at the end. */
  say(text: string): void {
    process.stderr.write(`  ${text}\n`);
  }

  /** A database with these people in it. */
  async makeDatabase(population: Population, owned: AsyncDisposableStack): Promise<string> {
    const name = `bench_${++this.#databases}`;
    const url = await this.postgres.createDatabase(name);
    owned.defer(() => this.postgres.dropDatabase(name));
    await fillPeople(url, population);
    return url;
  }

  /** Starts a server and the given limits, each with its own database of the same people. */
  async startAll(kinds: Kind[], population: Population, owned: AsyncDisposableStack): Promise<Running[]> {
    const running: Running[] = [];
    for (const kind of kinds) {
      const databaseUrl = kind === "raw" ? "" : await this.makeDatabase(population, owned);
      running.push(owned.use(await this.start(kind, databaseUrl)));
    }
    return running;
  }

  /** Resolves once it answers. */
  async start(kind: Kind, databaseUrl: string): Promise<Running> {
    const port = await findFreePort();
    const url = `http://127.0.0.1:${port}`;
    const process = this.launch(kind, { port, databaseUrl });
    await waitUntilAnswers(`${url}/health`, process);
    const name = { sotto: "server", floor: "floor", raw: "raw ws" }[kind];
    const dispose = (): Promise<void> => process[Symbol.asyncDispose]();
    return { name, target: { url, kind }, process, databaseUrl, [Symbol.asyncDispose]: dispose };
  }

  launch(kind: Kind, { port, databaseUrl }: { port: number; databaseUrl: string }): MeasuredProcess {
    const env = { APP_HOST: "127.0.0.1", APP_PORT: String(port), DB_URL: databaseUrl };
    if (kind !== "sotto") return new MeasuredProcess({ file: kind === "raw" ? rawFile : floorFile, env });
    return new MeasuredProcess({
      file: this.options.serverFile,
      flags: this.options.serverFlags,
      logFile: path.join(this.folder, "server.log"),
      env: {
        ...env,
        ...serverSettings,
        ...(this.options.compileCache && { NODE_COMPILE_CACHE: this.options.compileCache }),
      },
    });
  }

  startLoads(count: number, owned: AsyncDisposableStack): Load[] {
    return Array.from({ length: count }, () => owned.use(new Load()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned[Symbol.asyncDispose]();
  }
}

/** Those of `npm start`, but for the limits, which are not what is measured. `ENV=dev` lets the SDK sign in. */
const serverSettings = {
  ENV: "dev",
  JWT_SECRET: jwtSecret,
  CHAT_USER_MSGS_PER_MINUTE: "1000000",
  CHAT_GROUP_MSGS_PER_MINUTE: "1000000",
  RATE_LIMIT_PER_MINUTE: "1000000",
  KEY_LOOKUPS_PER_HOUR: "1000000",
};

export async function waitUntilAnswers(url: string, process: MeasuredProcess): Promise<void> {
  const startedAt = performance.now();
  for (;;) {
    const isOk = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (isOk) return;
    if (!process.isRunning) throw new Error(`What should answer at ${url} has ended`);
    if (performance.now() - startedAt > startLimitMs) throw new Error(`Nothing answers at ${url}`);
    await pause(5);
  }
}
