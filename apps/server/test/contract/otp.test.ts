import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { randomPhone, type RestAnswer } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { outcome, placesOf, rest } from "./described-rest.ts";
import { aUuidV7 } from "./shapes.ts";

const start = Date.now();
let clock = start;
const server = await startTestServer({ now: () => new Date(clock) });
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => {
  clock = start;
});

const code = "123456";
const invalid = { status: 400, detail: "Invalid OTP" };
const ask = (phone: unknown): Promise<RestAnswer> =>
  rest(server.url, "POST /auth/request_otp", { body: { phone } });
const verify = (body: object): Promise<RestAnswer> =>
  rest(server.url, "POST /auth/verify_otp", { body: { otp: code, ...body } });

function countOf(answers: RestAnswer[], status: number): number {
  return answers.filter((answer) => answer.status === status).length;
}

function subjectOf(answer: RestAnswer): unknown {
  const payload = String(answer.body["access_token"]).split(".")[1] ?? "";
  return (JSON.parse(Buffer.from(payload, "base64url").toString()) as { sub: unknown }).sub;
}

describe("POST /auth/request_otp", () => {
  test("answers the same for a number that is known and one that is not", async () => {
    const phone = randomPhone();
    const unknown = await ask(phone);
    await verify({ phone });
    const known = await ask(phone);
    const expected = { detail: "OTP sent", otp_session: aUuidV7, dev_code: code };
    expect(unknown).toMatchObject({ status: 200, body: expected });
    expect(known.body).toEqual(expected);
    expect([...known.headers.keys()].toSorted()).toEqual([...unknown.headers.keys()].toSorted());
  });

  test.each([
    "",
    "+",
    "4915112345678",
    "+0123456789",
    "+49 1511234567",
    "+49-151-1234567",
    "+1234567890123456",
    "+123456",
    "+٤٩١٥١١٢٣٤٥",
    "+4915112345678\n",
    "tel:+4915112345678",
    "+49151x2345678",
  ])("refuses the phone %j", async (phone) => {
    expect(outcome(await ask(phone))).toEqual({ status: 400, detail: "Invalid phone" });
    expect(outcome(await verify({ phone }))).toEqual({ status: 400, detail: "Invalid phone" });
  });

  test.each([[undefined], [null], [4915112345678], [["+4915112345678"]], [{}], ["+".padEnd(65, "1")]])(
    "calls the phone %j malformed",
    async (phone) => {
      expect(placesOf(await ask(phone))).toEqual(["body.phone"]);
    },
  );

  test("limits one number, with the seconds to wait, and no other", async () => {
    const phone = randomPhone();
    for (let i = 0; i < 10; i++) expect((await ask(phone)).status).toBe(200);
    const refused = await ask(phone);
    const seconds = (refused.body["detail"] as { retry_after: number }).retry_after;
    expect(refused.status).toBe(429);
    expect(refused.body).toEqual({ detail: { code: "otp_rate_limited", retry_after: seconds } });
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(600);
    expect(refused.headers.get("retry-after")).toBe(String(seconds));
    expect((await ask(randomPhone())).status).toBe(200);
    expect((await verify({ phone })).status).toBe(200);
  });
});

describe("POST /auth/verify_otp", () => {
  test("gives a bearer token; the first verification makes the user, later ones find it", async () => {
    const phone = randomPhone();
    await ask(phone);
    const first = await verify({ phone, name: "Ada" });
    expect(first.body).toEqual({ access_token: expect.any(String) as unknown, token_type: "bearer" });
    expect(subjectOf(first)).toEqual(aUuidV7);
    await ask(phone);
    expect(subjectOf(await verify({ phone }))).toBe(subjectOf(first));
  });

  test("takes null for what is optional", async () => {
    const phone = randomPhone();
    await ask(phone);
    expect((await verify({ phone, name: null, session_id: null })).status).toBe(200);
  });

  test("a code is good once, also when it comes twice at the same time", async () => {
    const phone = randomPhone();
    await ask(phone);
    const answers = await Promise.all(Array.from({ length: 8 }, () => verify({ phone })));
    expect(countOf(answers, 200)).toBe(1);
    expect(countOf(answers, 400)).toBe(7);
    expect(outcome(await verify({ phone }))).toEqual(invalid);
  });

  test("a code is good for OTP_TTL_SECS and not longer", async () => {
    const phone = randomPhone();
    await ask(phone);
    clock = start + 300_000;
    expect(outcome(await verify({ phone }))).toEqual(invalid);
    clock = start + 299_999;
    expect((await verify({ phone })).status).toBe(200);
  });

  test("without a request there is no code", async () => {
    expect(outcome(await verify({ phone: randomPhone() }))).toEqual(invalid);
  });

  test("a code belongs to its number and its session", async () => {
    const phone = randomPhone();
    const other = randomPhone();
    const asked = await ask(phone);
    const foreign = await ask(other);
    expect(outcome(await verify({ phone, session_id: foreign.body["otp_session"] }))).toEqual(invalid);
    expect(outcome(await verify({ phone, session_id: "no-session" }))).toEqual(invalid);
    expect((await verify({ phone, session_id: asked.body["otp_session"] })).status).toBe(200);
  });

  test.each([
    [{}, ["body.phone"]],
    [{ phone: null }, ["body.phone"]],
    [{ phone: "+4915112345678", otp: null }, ["body.otp"]],
    [{ phone: "+4915112345678", otp: 123456 }, ["body.otp"]],
    [{ phone: "+4915112345678", otp: "" }, ["body.otp"]],
    [{ phone: "+4915112345678", session_id: 5 }, ["body.session_id"]],
    [{ phone: "+4915112345678", name: "n".repeat(129) }, ["body.name"]],
    [{ phone: "+4915112345678", name: "a\0b" }, ["body.name"]],
  ])("calls %j malformed", async (body, places) => {
    expect(placesOf(await verify(body))).toEqual(places);
  });

  test("after too many wrong tries the number is locked, also for the right code, each time longer", async () => {
    const phone = randomPhone();
    const expected = [60, 120, 240, 480];
    for (const seconds of expected) {
      await ask(phone);
      for (let i = 0; i < 5; i++) expect(outcome(await verify({ phone, otp: "000000" }))).toEqual(invalid);
      for (const otp of ["000000", code]) {
        const locked = await verify({ phone, otp });
        expect(outcome(locked)).toEqual({
          status: 429,
          detail: { code: "otp_locked", retry_after: seconds },
        });
        expect(locked.headers.get("retry-after")).toBe(String(seconds));
      }
      clock += seconds * 1000 - 1;
      expect(outcome(await verify({ phone }))).toMatchObject({
        detail: { code: "otp_locked", retry_after: 1 },
      });
      clock += 1;
      // The code of before has had its tries.
      expect(outcome(await verify({ phone }))).toEqual(invalid);
    }
    await ask(phone);
    expect((await verify({ phone })).status).toBe(200);
  });

  test("a right code makes the wrong tries forgotten", async () => {
    const phone = randomPhone();
    for (let round = 0; round < 3; round++) {
      await ask(phone);
      for (let i = 0; i < 4; i++) await verify({ phone, otp: "000000" });
      expect((await verify({ phone })).status).toBe(200);
    }
  });

  test("wrong tries at the same time are all counted", async () => {
    const phone = randomPhone();
    await ask(phone);
    const answers = await Promise.all(Array.from({ length: 12 }, () => verify({ phone, otp: "999999" })));
    expect([countOf(answers, 400), countOf(answers, 429)]).toEqual([5, 7]);
  });
});

test("with a real sender the code is random, and goes to the phone alone", async () => {
  const { createServer } = await import("node:http");
  const sent: { phone: string; code: string }[] = [];
  const gateway = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk: Buffer) => (text += chunk.toString()));
    request.on("end", () => {
      sent.push(JSON.parse(text) as { phone: string; code: string });
      response.end();
    });
  });
  await new Promise<void>((resolve) => gateway.listen(0, "127.0.0.1", resolve));
  const address = gateway.address();
  const port = typeof address === "object" && address ? address.port : 0;
  await using stack = new AsyncDisposableStack();
  stack.defer(() => {
    gateway.close();
    gateway.closeAllConnections();
  });
  const production = stack.use(
    await startTestServer({
      env: {
        OTP_MODE: "http",
        OTP_HTTP_URL: `http://127.0.0.1:${port}/sms`,
        OTP_HTTP_SECRET: "a-secret-for-the-gateway",
      },
    }),
  );
  const phone = randomPhone();
  const asked = await rest(production.url, "POST /auth/request_otp", { body: { phone } });
  expect(asked.body).toEqual({ detail: "OTP sent", otp_session: aUuidV7 });
  expect(sent).toEqual([{ phone, code: expect.stringMatching(/^\d{6}$/) as unknown }]);
  const verified = await rest(production.url, "POST /auth/verify_otp", {
    body: { phone, otp: sent[0]?.code },
  });
  expect(verified.status).toBe(200);
});
