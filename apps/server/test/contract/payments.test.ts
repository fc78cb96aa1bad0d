import { createHmac, randomUUID } from "node:crypto";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { runMaintenance } from "../../src/maintenance.ts";
import { runCommand } from "../command.ts";
import { createTestDatabase } from "../database.ts";
import { HttpStandIn } from "../http-stand-in.ts";
import { startTestServer } from "../test-server.ts";
import { outcome, rest } from "./described-rest.ts";

const route = "POST /payments/webhooks";
const secret = "secret-of-payments";
const env = { PAYMENTS_WEBHOOK_SECRET: secret };
const refused = { status: 403, detail: "Invalid signature" };
const ok = { status: 200, detail: "ok" };
const docs = path.join(import.meta.dirname, "../../../../docs/OPERATIONS.md");

function delivery({ at = Date.now(), body = JSON.stringify({ id: randomUUID() }), key = secret } = {}) {
  const [event, ts] = ["requests.accept", String(Math.floor(at / 1000))];
  const sign = createHmac("sha256", key).update(`${ts}${event}${body}`).digest("hex");
  return { body, headers: { "x-webhook-event": event, "x-webhook-ts": ts, "x-webhook-sign": sign } };
}

describe(route, () => {
  test("good once, on whichever process, also after a restart", async () => {
    await using database = await createTestDatabase();
    const sent = delivery();
    {
      await using first = await startTestServer({ database, env });
      await using second = await startTestServer({ database, env });
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, i) => rest((i % 2 ? first : second).url, route, sent)),
      );
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      expect(answers.filter(({ status }) => status === 403)).toHaveLength(9);
    }
    await using again = await startTestServer({ database, env });
    expect(outcome(await rest(again.url, route, sent))).toEqual(refused);
    expect(outcome(await rest(again.url, route, delivery()))).toEqual(ok);
  });

  test("the bytes count, not what they mean", async () => {
    await using server = await startTestServer({ env });
    const { headers } = delivery({ body: '{"a":1}' });
    expect(outcome(await rest(server.url, route, { headers, body: '{"a": 1}' }))).toEqual(refused);
    expect(outcome(await rest(server.url, route, { headers, body: '{"a":1}' }))).toEqual(ok);
    expect(outcome(await rest(server.url, route, delivery({ body: "ünïcödé" })))).toEqual(ok);
  });

  test("missing and malformed headers, another secret, an old or early time: all the same refusal", async () => {
    await using server = await startTestServer({ env });
    const { body, headers } = delivery();
    for (const name of Object.keys(headers)) {
      for (const value of ["", "x", "é"]) {
        const changed = { ...headers, [name]: value };
        expect(
          outcome(await rest(server.url, route, { body, headers: changed })),
          `${name}=${value}`,
        ).toEqual(refused);
      }
    }
    expect(outcome(await rest(server.url, route, { body }))).toEqual(refused);
    expect(outcome(await rest(server.url, route, delivery({ key: "another" })))).toEqual(refused);
    for (const offsetMs of [-302_000, 302_000]) {
      expect(outcome(await rest(server.url, route, delivery({ at: Date.now() + offsetMs })))).toEqual(
        refused,
      );
    }
  });

  test("without a secret nothing is good, also not what an empty one signs", async () => {
    await using server = await startTestServer();
    expect(outcome(await rest(server.url, route, delivery()))).toEqual(refused);
    expect(outcome(await rest(server.url, route, delivery({ key: "" })))).toEqual(refused);
  });

  test("too large: 413", async () => {
    await using server = await startTestServer({ env });
    const answer = await rest(server.url, route, delivery({ body: "x".repeat(1_048_577) }));
    expect(answer.status).toBe(413);
  });

  test("signatures are forgotten once their time has passed, and not before", async () => {
    let now = Date.now();
    await using server = await startTestServer({ env, now: () => new Date(now) });
    // As early as it is good, so that it is good for as long as can be.
    const sent = delivery({ at: now + 300_000 });
    expect((await rest(server.url, route, sent)).status).toBe(200);
    now += 599_000;
    await runMaintenance(server.app);
    expect(outcome(await rest(server.url, route, sent))).toEqual(refused);
    now += 600_000;
    await runMaintenance(server.app);
    const left = await server.app.db.selectFrom("payment_webhooks").select("signature").execute();
    expect(left).toEqual([]);
  });
});

describe("npm run payments:simulate", () => {
  test("sends what the server takes", async () => {
    await using server = await startTestServer({ env });
    const args = ["--url", `${server.url}/payments/webhooks`];
    expect(await runCommand("payments:simulate", { env, args })).toBe('{"detail":"ok"}\n');
    const wrong = runCommand("payments:simulate", { env: { PAYMENTS_WEBHOOK_SECRET: "another" }, args });
    await expect(wrong).rejects.toMatchObject({
      stderr: expect.stringContaining("Invalid signature") as unknown,
    });
    await expect(runCommand("payments:simulate", {})).rejects.toMatchObject({
      stderr: "Set PAYMENTS_WEBHOOK_SECRET, for the server too.\n",
    });
  });

  test("the lines in docs/OPERATIONS.md do the same", async () => {
    await using server = await startTestServer({ env: { PAYMENTS_WEBHOOK_SECRET: "demo_secret" } });
    const snippet =
      /```bash\n(secret=demo_secret[^`]+)```/.exec(await readFile(docs, "utf8"))?.[1] ?? "exit 1";
    const script = snippet.replace("http://localhost:8091", server.url);
    const { stdout } = await promisify(execFile)("bash", ["-eu", "-c", script]);
    expect(stdout).toBe('{"detail":"ok"}');
  });
});

async function failing(given: Record<string, string>, ...args: string[]): Promise<string> {
  const result = await runCommand("payments:register", { env: given, args }).catch((error: unknown) => error);
  return (result as { stderr: string }).stderr;
}

describe("npm run payments:register", () => {
  const registerEnv = { ...env, PAYMENTS_INTERNAL_SECRET: "internal", APP_PORT: "8091" };

  test("posts our endpoint and secret", async () => {
    await using payments = await HttpStandIn.listen();
    payments.answer = () => ({ status: 201 });
    const withBase = { ...registerEnv, PAYMENTS_BASE_URL: `${payments.url}/` };
    await runCommand("payments:register", { env: withBase });
    await runCommand("payments:register", {
      env: withBase,
      args: ["--url", "https://chat.example/payments/webhooks"],
    });
    for (const received of payments.received) {
      expect(received).toMatchObject({
        method: "POST",
        path: "/webhooks/endpoints",
        headers: { "x-internal-secret": "internal" },
      });
    }
    expect(payments.received.map(({ body }) => JSON.parse(body.toString()) as unknown)).toEqual([
      { url: "http://host.docker.internal:8091/payments/webhooks", secret },
      { url: "https://chat.example/payments/webhooks", secret },
    ]);
  });

  test("says what is missing or wrong", async () => {
    expect(await failing({})).toContain(
      "PAYMENTS_BASE_URL, PAYMENTS_INTERNAL_SECRET, PAYMENTS_WEBHOOK_SECRET",
    );
    const nowhere = { ...registerEnv, PAYMENTS_BASE_URL: "http://127.0.0.1:1" };
    expect(await failing(nowhere)).toBe(
      "The payments service cannot be reached at http://127.0.0.1:1/webhooks/endpoints.\n",
    );
    expect(await failing(nowhere, "--url", "chat")).toContain("--url must be a URL");
    await using payments = await HttpStandIn.listen();
    payments.answer = () => ({ status: 401 });
    expect(await failing({ ...registerEnv, PAYMENTS_BASE_URL: payments.url })).toContain(
      "PAYMENTS_INTERNAL_SECRET",
    );
    expect(await runCommand("payments:register", { args: ["--help"] })).toContain("X-Internal-Secret");
  });
});
