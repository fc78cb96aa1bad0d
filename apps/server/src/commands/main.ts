import { ConfigError, loadConfig, type Config } from "../config.ts";
import { CommandError } from "./command-error.ts";

/** What a command is given: the configuration, its arguments, and where its lines go. */
export interface CommandCall {
  config: Config;
  args: string[];
  print: (line: string) => void;
}

type Command = (call: CommandCall) => Promise<void>;

const commands: Record<string, () => Promise<Command>> = {
  "payments:register": async () => (await import("./payments-register.ts")).registerPayments,
  "payments:simulate": async () => (await import("./payments-simulate.ts")).simulatePayment,
  "push:redrive": async () => (await import("./push-redrive.ts")).redrivePushes,
  "webhooks:redrive": async () => (await import("./webhooks-redrive.ts")).redriveWebhooks,
};

/** `npm run <command>`: reads the environment as the server does. */
async function main([name = "", ...args]: string[]): Promise<void> {
  const load = commands[name];
  if (!load)
    throw new CommandError(`There is no command ${name}. There are: ${Object.keys(commands).join(", ")}`);
  const command = await load();
  await command({
    config: loadConfig(process.env),
    args,
    print: (line) => void process.stdout.write(`${line}\n`),
  });
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const isExplained =
    error instanceof CommandError ||
    error instanceof ConfigError ||
    (error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS"));
  process.stderr.write(
    `${error instanceof Error ? (isExplained ? error.message : error.stack) : String(error)}\n`,
  );
  process.exitCode = 1;
});
