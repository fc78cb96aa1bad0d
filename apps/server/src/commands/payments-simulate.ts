import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { signPayment } from "../modules/payments/signature.ts";
import { CommandError } from "./command-error.ts";
import type { CommandCall } from "./main.ts";

const help = `npm run payments:simulate -- [options]

Sends a webhook to a running server as the payments service would: signed with PAYMENTS_WEBHOOK_SECRET.

  --url URL        the server's webhook (http://127.0.0.1:APP_PORT/payments/webhooks)
  --event NAME     the event (requests.accept)
  --body TEXT      the body ({"type":NAME,"data":{"id":…}} with a new id)
  --help           this text

It reads the same environment, and .env, as the server.`;

const timeoutMs = 10_000;

export async function simulatePayment({ config, args, print }: CommandCall): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      url: { type: "string", default: `http://127.0.0.1:${config.APP_PORT}/payments/webhooks` },
      event: { type: "string", default: "requests.accept" },
      body: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help) return print(help);
  const secret = config.PAYMENTS_WEBHOOK_SECRET;
  if (!secret) throw new CommandError("Set PAYMENTS_WEBHOOK_SECRET, for the server too.");
  const { url, event } = values;
  const body = values.body ?? JSON.stringify({ type: event, data: { id: randomUUID() } });
  const ts = String(Math.floor(Date.now() / 1000));
  const headers = {
    "content-type": "application/json",
    "x-webhook-event": event,
    "x-webhook-ts": ts,
    "x-webhook-sign": signPayment(secret, { ts, event, body: Buffer.from(body) }).toString("hex"),
  };
  const signal = AbortSignal.timeout(timeoutMs);
  const response = await fetch(url, { method: "POST", headers, body, signal }).catch((error: unknown) => {
    throw new CommandError(`No server answers at ${url}.`, { cause: error });
  });
  const answer = await response.text();
  if (!response.ok) throw new CommandError(`The server answered ${response.status}: ${answer}`);
  print(answer);
}
