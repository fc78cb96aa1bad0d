import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { Writable } from "node:stream";
import { Client } from "pg";
import { afterAll, describe, expect, test } from "vitest";
import { createLog } from "../../src/log.ts";
import { randomPhone } from "../rest-client.ts";
import { startTestServer, type TestServer } from "../test-server.ts";
import { outcome, rest } from "./described-rest.ts";
import { aUuidV7 } from "./shapes.ts";

interface Received {
  target: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** Stands in for an SMS gateway or for Twilio: a real server that keeps what it got. */
async function startStandIn(reply: (response: ServerResponse, received: Received) => void) {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const entry = { target: `${request.method} ${request.url}`, headers: request.headers, body };
      received.push(entry);
      reply(response, entry);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return {
    received,
    url: `http://127.0.0.1:${port}`,
    [Symbol.dispose]: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

const database = await startTestServer();
afterAll(() => database[Symbol.asyncDispose]());

async function startWithSender(env: Record<string, string>): Promise<TestServer & { lines: string[] }> {
  const lines: string[] = [];
  const destination = new Writable({
    write: (chunk: Buffer, _, done) => {
      lines.push(chunk.toString());
      done();
    },
  });
  const log = createLog("trace", destination);
  return Object.assign(await startTestServer({ env, log, database: database.database }), { lines });
}

const httpEnv = (url: string) => ({
  OTP_MODE: "http",
  OTP_HTTP_URL: `${url}/sms`,
  OTP_HTTP_SECRET: "a-secret-for-the-gateway",
});
const account = `AC${"0123456789abcdef".repeat(2)}`;
const twilioEnv = (url: string) => ({
  OTP_MODE: "twilio",
  TWILIO_BASE_URL: `${url}/`,
  TWILIO_ACCOUNT_SID: account,
  TWILIO_AUTH_TOKEN: "a-token",
  TWILIO_FROM: "+15005550006",
});
const ask = (server: TestServer, phone: string) =>
  rest(server.url, "POST /auth/request_otp", { body: { phone } });
const notSent = { status: 503, detail: "The code could not be sent" };

test("the gateway is given number and code, signed over the time and the body", async () => {
  using gateway = await startStandIn((response) => response.end());
  await using server = await startWithSender(httpEnv(gateway.url));
  const phone = randomPhone();
  expect((await ask(server, phone)).status).toBe(200);
  const [received] = gateway.received;
  const ts = String(received?.headers["x-sotto-ts"]);
  expect(Math.abs(Number(ts) - Date.now() / 1000)).toBeLessThan(60);
  expect(received?.headers["x-sotto-sign"]).toBe(
    createHmac("sha256", "a-secret-for-the-gateway").update(`${ts}.${received?.body}`).digest("hex"),
  );
  expect(JSON.parse(received?.body ?? "")).toEqual({
    phone,
    code: expect.stringMatching(/^\d{6}$/) as unknown,
  });
});

test("Twilio is given a message of the operator's wording, whose code signs in", async () => {
  using twilio = await startStandIn((response) => response.writeHead(201).end('{"sid":"SM0"}'));
  await using server = await startWithSender({
    ...twilioEnv(twilio.url),
    OTP_TEXT: "{app}: {code} — nobody else's {app}",
    OTP_APP_NAME: "Kakadu $& Söhne",
  });
  const phone = randomPhone();
  const asked = await ask(server, phone);
  expect(asked.body).toEqual({ detail: "OTP sent", otp_session: aUuidV7 });
  const [received] = twilio.received;
  expect(received?.target).toBe(`POST /2010-04-01/Accounts/${account}/Messages.json`);
  expect(received?.headers["content-type"]).toBe("application/x-www-form-urlencoded");
  expect(received?.headers.authorization).toBe(
    `Basic ${Buffer.from(`${account}:a-token`).toString("base64")}`,
  );
  const form = Object.fromEntries(new URLSearchParams(received?.body));
  expect(form).toEqual({
    To: phone,
    From: "+15005550006",
    Body: expect.stringMatching(/^Kakadu \$& Söhne: \d{6} — nobody else's Kakadu \$& Söhne$/) as unknown,
  });
  const otp = /\d{6}/.exec(form["Body"] ?? "")?.[0];
  expect((await rest(server.url, "POST /auth/verify_otp", { body: { phone, otp } })).status).toBe(200);
});

test("Twilio is called with an API key and a messaging service where these are set", async () => {
  using twilio = await startStandIn((response) => response.writeHead(201).end());
  await using server = await startWithSender({
    ...twilioEnv(twilio.url),
    TWILIO_FROM: "",
    TWILIO_API_KEY_SID: `SK${"0".repeat(32)}`,
    TWILIO_API_KEY_SECRET: "key-secret",
    TWILIO_MESSAGING_SERVICE_SID: `MG${"1".repeat(32)}`,
  });
  expect((await ask(server, randomPhone())).status).toBe(200);
  const [received] = twilio.received;
  expect(received?.headers.authorization).toBe(
    `Basic ${Buffer.from(`SK${"0".repeat(32)}:key-secret`).toString("base64")}`,
  );
  const form = new URLSearchParams(received?.body);
  expect([form.get("From"), form.get("MessagingServiceSid")]).toEqual([null, `MG${"1".repeat(32)}`]);
  expect(form.get("Body")).toMatch(/^\d{6} is your Sotto code\.$/);
});

describe.each([
  ["http", httpEnv],
  ["twilio", twilioEnv],
])("OTP_MODE=%s: what goes wrong outside is OTP_NOT_SENT, and tells the log no secret", (_, env) => {
  async function askThrough(reply: Parameters<typeof startStandIn>[0]) {
    using outside = await startStandIn(reply);
    await using server = await startWithSender(env(outside.url));
    const phone = randomPhone();
    const answer = await ask(server, phone);
    const { received } = outside;
    const code = /(?<!\d)\d{6}(?!\d)/.exec(decodeURIComponent(received[0]?.body ?? ""))?.[0];
    expect(code).toBeDefined();
    return { answer, received, log: server.lines.join(""), secrets: [phone, phone.slice(1), String(code)] };
  }

  test("a refusal", async () => {
    const told = await askThrough((response, { body }) =>
      response.writeHead(400).end(`{"code":21211,"message":"The 'To' number is not valid: ${body}"}`),
    );
    expect(outcome(told.answer)).toEqual(notSent);
    expect(told.log).toContain("answered 400");
    for (const secret of told.secrets) expect(told.log).not.toContain(secret);
    expect(told.log).not.toMatch(/21211|a-token|a-secret/);
  });

  test("a redirect, which is not followed", async () => {
    using elsewhere = await startStandIn((response) => response.end());
    for (const status of [301, 302, 307, 308]) {
      const told = await askThrough((response) =>
        response.writeHead(status, { location: elsewhere.url }).end(),
      );
      expect(outcome(told.answer)).toEqual(notSent);
      expect(told.received).toHaveLength(1);
    }
    expect(elsewhere.received).toEqual([]);
  });

  test("a connection that is cut", async () => {
    const told = await askThrough((response) => response.destroy());
    expect(outcome(told.answer)).toEqual(notSent);
    for (const secret of told.secrets) expect(told.log).not.toContain(secret);
  });

  test("silence, for 5 s", async () => {
    const start = performance.now();
    expect(outcome((await askThrough(() => {})).answer)).toEqual(notSent);
    expect(performance.now() - start).toBeLessThan(8_000);
  });

  test("not: an answer whose body never ends", async () => {
    const told = await askThrough((response) => response.writeHead(200).write("x".repeat(1_000)));
    expect(told.answer.status).toBe(200);
  });
});

test("asking for a code reads nothing of users, so that neither answer nor time tells who is one", async () => {
  const phone = randomPhone();
  await ask(database, phone);
  await rest(database.url, "POST /auth/verify_otp", { body: { phone, otp: "123456" } });
  await using transaction = await openTransaction(database);
  await transaction.run("lock table users, sessions, devices in access exclusive mode");
  for (const number of [phone, randomPhone()]) expect((await ask(database, number)).status).toBe(200);
});

async function openTransaction(server: TestServer) {
  const client = new Client({ connectionString: server.database.url });
  await client.connect();
  await client.query("begin");
  return { run: (sql: string) => client.query(sql), [Symbol.asyncDispose]: () => client.end() };
}
