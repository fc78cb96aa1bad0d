import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { type Client, createClient } from "@sotto/sdk";
import { directorySpool, fileStore } from "@sotto/sdk/node";
import { Chat } from "./chat.ts";
import { Quit, perform } from "./commands.ts";
import { describeError } from "./describe.ts";
import { type Options, UsageError, help, readOptions } from "./options.ts";
import { sayLinkState, signIn } from "./sign-in.ts";
import { Terminal } from "./terminal.ts";

async function openClient(terminal: Terminal, { storePath, url }: Options): Promise<Client> {
  await mkdir(dirname(storePath), { recursive: true, mode: 0o700 });
  const { SOTTO_PASSPHRASE } = process.env;
  const passphrase = SOTTO_PASSPHRASE ?? (await terminal.ask("Passphrase of the store:", { isSecret: true }));
  const store = await fileStore(storePath, { passphrase });
  return createClient({ url, store, spool: directorySpool(`${storePath}.files`) });
}

async function begin(chat: Chat, options: Options): Promise<void> {
  const { client, terminal } = chat;
  if (!client.me) await signIn(client, terminal, options);
  chat.listen();
  await client.start();
  // Works offline too: names and links come with the connection.
  await chat.people.load().catch(() => {});
  await sayLinkState(client, terminal).catch((error: unknown) => terminal.print(describeError(error)));
  terminal.print("Ready. /help lists what can be typed.");
  if (options.to === undefined)
    await chat.list().catch((error: unknown) => terminal.print(describeError(error)));
  else await chat.open(options.to).catch((error: unknown) => terminal.print(describeError(error)));
}

async function obey(chat: Chat): Promise<void> {
  for (;;) {
    const line = await chat.terminal.readLine();
    if (line === undefined) return;
    try {
      await perform(chat, line);
    } catch (error) {
      if (error instanceof Quit) return;
      chat.terminal.print(describeError(error));
    }
  }
}

async function main(options: Options): Promise<void> {
  const isInteractive = process.stdin.isTTY && process.stdout.isTTY;
  const terminal = new Terminal({ input: process.stdin, output: process.stdout, isInteractive });
  process.once("SIGTERM", () => terminal.close());
  try {
    await using client = await openClient(terminal, options);
    const chat = new Chat(client, terminal);
    await begin(chat, options);
    await obey(chat);
    if (!(await chat.finish())) terminal.print("Something is not sent yet: it goes on at the next start.");
  } finally {
    terminal.close();
  }
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options) await main(options);
  else process.stdout.write(help);
} catch (error) {
  const isUsage = error instanceof UsageError;
  process.stderr.write(`${describeError(error)}${isUsage ? "; see --help" : ""}\n`);
  process.exitCode = isUsage ? 2 : 1;
}
