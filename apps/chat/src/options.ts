import { homedir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

export const help = `npm run chat -- --phone +491700000001 [--to +491700000002]

A chat in the terminal, end-to-end encrypted. Without a terminal it reads lines from standard input.

  --phone NUMBER   your number, in the international form
  --url URL        the server; http://localhost:8091 unless given
  --store PATH     the file that keeps keys and messages, encrypted; ~/.sotto/NUMBER.sotto unless given
  --to NUMBER      opens the conversation with that number at once
  --name NAME      your name, for the first sign-in of the number
  --help           this text

The store's passphrase comes from SOTTO_PASSPHRASE, or is asked for. /help lists what can be typed.
`;

export interface Options {
  phone: string;
  url: string;
  storePath: string;
  to: string | undefined;
  name: string | undefined;
}

/** What was given does not make sense: its message says what would. */
export class UsageError extends Error {}

export const isPhone = (text: string): boolean => /^\+[1-9]\d{6,14}$/.test(text);

/** Undefined: help is wanted. Throws {@link UsageError}. */
export function readOptions(args: string[]): Options | undefined {
  const { phone, url, store, to, name, help: isHelp } = parse(args);
  if (isHelp) return undefined;
  if (phone === undefined) throw new UsageError("--phone is missing");
  requirePhone("--phone", phone);
  if (to !== undefined) requirePhone("--to", to);
  if (!/^https?:\/\//.test(url) || !URL.canParse(url))
    throw new UsageError(`--url: ${url} is no http address`);
  return { phone, url, to, name, storePath: store ?? join(homedir(), ".sotto", `${phone}.sotto`) };
}

function requirePhone(option: string, phone: string): void {
  if (!isPhone(phone)) throw new UsageError(`${option}: ${phone} is no number such as +491700000001`);
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        phone: { type: "string" },
        url: { type: "string", default: "http://localhost:8091" },
        store: { type: "string" },
        to: { type: "string" },
        name: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
