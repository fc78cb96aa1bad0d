import { parseArgs } from "node:util";
import { scenarios } from "./scenarios.ts";

export interface Options {
  /** The server's bundle, as `npm start` runs it. */
  serverFile: string;
  /** What `npm start` tells Node. */
  serverFlags: string[];
  compileCache: string | undefined;
  rounds: number;
  /** Of one measurement in a round. */
  durationMs: number;
  /** Small, for CI: shows that everything runs, and says nothing of speed. */
  isQuick: boolean;
  isFull: boolean;
  only: string[];
  jsonFile: string | undefined;
  profileFolder: string | undefined;
}

/** A command line that cannot be read; the message is for whoever wrote it. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export const help = `npm run bench -- [--only NAME]… [--rounds N] [--seconds N] [--quick] [--full] [--json FILE] [--profile FOLDER]

Starts the server and, beside it on the same machine and the same PostgreSQL, the limits: a bare server with the same
routes and no checks (floor), raw ws, and pgbench where it is on PATH. Measures them in turn and prints medians, with
the least and the most, and whether the goals are met.

  --only NAME       this scenario alone; may be given several times
  --rounds N        how often each is measured; 3 unless given
  --seconds N       how long each measurement takes; 4 unless given
  --quick           one short round of everything with little data, to see that it works
  --full            also with 10,000,000 messages (about 10 GB of disk)
  --json FILE       writes the figures there as well
  --profile FOLDER  writes CPU profiles there, each with its table: of the server, and of the SDK in --only sdk
  --help            this text

Scenarios:
${scenarios.map(({ name, about }) => `  ${name.padEnd(17)} ${about}`).join("\n")}
`;

/** Throws `UsageError`; undefined when `--help` was asked for. */
export function readOptions(
  args: string[],
  env: Readonly<Record<string, string | undefined>>,
): Options | undefined {
  const { values } = parse(args);
  if (values.help) return undefined;
  const only = values.only ?? [];
  const unknown = only.find((name) => scenarios.every((scenario) => scenario.name !== name));
  if (unknown !== undefined) throw new UsageError(`There is no scenario ${unknown}.\n\n${help}`);
  const isQuick = values.quick ?? false;
  return {
    serverFile: env["SOTTO_SERVER_FILE"] ?? "",
    serverFlags: env["SOTTO_SERVER_FLAGS"]?.split(" ") ?? [],
    compileCache: env["NODE_COMPILE_CACHE"],
    rounds: isQuick ? 1 : readCount("rounds", values.rounds),
    durationMs: isQuick ? 200 : readCount("seconds", values.seconds) * 1000,
    isQuick,
    isFull: values.full ?? false,
    only,
    jsonFile: values.json,
    profileFolder: values.profile,
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        only: { type: "string", multiple: true },
        rounds: { type: "string", default: "3" },
        seconds: { type: "string", default: "4" },
        quick: { type: "boolean" },
        full: { type: "boolean" },
        json: { type: "string" },
        profile: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
  }
}

function readCount(name: string, text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new UsageError(`--${name} takes a whole number.\n\n${help}`);
  return Number(text);
}
