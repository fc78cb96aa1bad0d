import { parseArgs } from "node:util";
import { CommandError } from "./command-error.ts";
import type { CommandCall } from "./main.ts";

const help = `npm run payments:register -- [options]

Registers this server's webhook with the payments service: POST PAYMENTS_BASE_URL/webhooks/endpoints
with {"url","secret"}, the secret being PAYMENTS_WEBHOOK_SECRET, and PAYMENTS_INTERNAL_SECRET in the
header X-Internal-Secret.

  --url URL        where the payments service reaches this server
                   (http://host.docker.internal:APP_PORT/payments/webhooks)
  --help           this text

It reads the same environment, and .env, as the server.`;

const timeoutMs = 10_000;
const needed = ["PAYMENTS_BASE_URL", "PAYMENTS_INTERNAL_SECRET", "PAYMENTS_WEBHOOK_SECRET"] as const;

export async function registerPayments({ config, args, print }: CommandCall): Promise<void> {
  const { values } = parseArgs({ args, options: { url: { type: "string" }, help: { type: "boolean" } } });
  if (values.help) return print(help);
  const missing = needed.filter((name) => !config[name]);
  if (missing.length > 0) throw new CommandError(`Set ${missing.join(", ")}; --help says what for.`);
  const url = values.url ?? `http://host.docker.internal:${config.APP_PORT}/payments/webhooks`;
  if (!["http:", "https:"].includes(URL.parse(url)?.protocol ?? "")) {
    throw new CommandError("--url must be a URL of http: or https:");
  }
  const target = `${String(config.PAYMENTS_BASE_URL).replace(/\/$/, "")}/webhooks/endpoints`;
  const status = await post(target, {
    headers: { "x-internal-secret": String(config.PAYMENTS_INTERNAL_SECRET) },
    body: { url, secret: config.PAYMENTS_WEBHOOK_SECRET },
  });
  if (status === 401 || status === 403) {
    throw new CommandError(
      `The payments service answered ${status}: is PAYMENTS_INTERNAL_SECRET its secret?`,
    );
  }
  if (status < 200 || status >= 300) throw new CommandError(`The payments service answered ${status}.`);
  print(`Registered: the payments service posts to ${url}.`);
}

async function post(
  target: string,
  { headers, body }: { headers: Record<string, string>; body: object },
): Promise<number> {
  try {
    const response = await fetch(target, {
      method: "POST",
      redirect: "error",
      signal: AbortSignal.timeout(timeoutMs),
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
    await response.body?.cancel();
    return response.status;
  } catch (error) {
    throw new CommandError(`The payments service cannot be reached at ${target}.`, { cause: error });
  }
}
