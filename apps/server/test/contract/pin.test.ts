import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { createLog } from "../../src/log.ts";
import { signIn, type Person, type RestAnswer } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { outcome, placesOf, rest } from "./described-rest.ts";

const day = 86_400_000;
const start = Date.now();
let clock = start;
const lines: string[] = [];
const server = await startTestServer({
  now: () => new Date(clock),
  log: createLog("trace", { write: (line) => void lines.push(line) }),
  env: { JWT_EXPIRES_MINUTES: "525600" },
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => {
  clock = start;
});

const pin = "correct horse 77";
const ok = { status: 200, detail: "ok" };
const required = { status: 403, detail: { code: "pin_required" } };
const invalid = (left: number) => ({ status: 403, detail: { code: "pin_invalid", attempts_left: left } });
const locked = (seconds: number) => ({
  status: 429,
  detail: { code: "otp_locked", retry_after: seconds },
});

const put = (token: string | undefined, body: unknown): Promise<RestAnswer> =>
  rest(server.url, "PUT /auth/pin", { token, body });
const remove = (token: string | undefined, body?: unknown): Promise<RestAnswer> =>
  rest(server.url, "DELETE /auth/pin", { token, body });
const isSet = async (token: string): Promise<unknown> =>
  (await rest(server.url, "GET /auth/pin", { token })).body["is_set"];

async function askCode(phone: string): Promise<void> {
  expect((await rest(server.url, "POST /auth/request_otp", { body: { phone } })).status).toBe(200);
}
const verify = (phone: string, body: object = {}): Promise<RestAnswer> =>
  rest(server.url, "POST /auth/verify_otp", { body: { phone, otp: "123456", ...body } });

async function newPersonWithPin(): Promise<Person> {
  const person = await signIn(server.url);
  expect(outcome(await put(person.token, { pin }))).toEqual(ok);
  return person;
}

describe("signing in with a PIN", () => {
  test("asks for it without using the code up, however often, and takes the right one", async () => {
    const { phone } = await newPersonWithPin();
    await askCode(phone);
    for (let i = 0; i < 7; i++) expect(outcome(await verify(phone))).toEqual(required);
    expect(outcome(await verify(phone, { pin: null }))).toEqual(required);
    const verified = await verify(phone, { pin });
    expect(verified.body).toEqual({ access_token: expect.any(String) as unknown, token_type: "bearer" });
    expect(outcome(await verify(phone, { pin }))).toEqual({ status: 400, detail: "Invalid OTP" });
  });

  test("a wrong code is answered as without a PIN", async () => {
    const { phone } = await newPersonWithPin();
    await askCode(phone);
    for (const body of [{}, { pin }, { pin: "wrong" }]) {
      expect(outcome(await verify(phone, { otp: "000000", ...body }))).toEqual({
        status: 400,
        detail: "Invalid OTP",
      });
    }
  });

  test("wrong PINs lock the number as wrong codes do, also for the right one, each time longer", async () => {
    const { phone } = await newPersonWithPin();
    for (const seconds of [60, 120, 240]) {
      await askCode(phone);
      for (let left = 4; left >= 0; left--) {
        expect(outcome(await verify(phone, { pin: "wrong" }))).toEqual(invalid(left));
      }
      expect(outcome(await verify(phone, { pin }))).toEqual(locked(seconds));
      expect(outcome(await verify(phone))).toEqual(locked(seconds));
      clock += seconds * 1000;
    }
    await askCode(phone);
    expect((await verify(phone, { pin })).status).toBe(200);
  });

  test("asking without a PIN forgets no wrong try, and wrong codes and PINs count together", async () => {
    const { phone } = await newPersonWithPin();
    await askCode(phone);
    for (let i = 0; i < 2; i++) await verify(phone, { pin: "wrong" });
    expect(outcome(await verify(phone))).toEqual(required);
    for (let i = 0; i < 2; i++) await verify(phone, { otp: "000000" });
    expect(outcome(await verify(phone, { pin: "wrong" }))).toEqual(invalid(0));
    expect(outcome(await verify(phone, { pin }))).toEqual(locked(60));
  });

  test("wrong PINs at the same time are all counted", async () => {
    const { phone } = await newPersonWithPin();
    await askCode(phone);
    const answers = await Promise.all(Array.from({ length: 12 }, () => verify(phone, { pin: "wrong" })));
    const count = (status: number) => answers.filter((answer) => answer.status === status).length;
    expect([count(403), count(429)]).toEqual([5, 7]);
  });

  test("a PIN that was never set is not looked at", async () => {
    const { phone } = await signIn(server.url);
    await askCode(phone);
    expect((await verify(phone, { pin: "any pin" })).status).toBe(200);
  });
});

describe("a forgotten PIN", () => {
  test("lapses when the account was out of use for 30 days, and does not come back", async () => {
    const { phone, token } = await newPersonWithPin();
    clock = start + 30 * day - 1;
    await askCode(phone);
    expect(outcome(await verify(phone))).toEqual(required);
    clock += 1;
    expect((await verify(phone)).status).toBe(200);
    expect(await isSet(token)).toBe(false);
  });

  test("is kept by any use of a token", async () => {
    const { phone, token } = await newPersonWithPin();
    clock = start + 20 * day;
    await rest(server.url, "GET /keys/me", { token });
    clock = start + 49 * day;
    await askCode(phone);
    expect(outcome(await verify(phone))).toEqual(required);
    clock = start + 50 * day;
    await askCode(phone);
    expect((await verify(phone)).status).toBe(200);
  });
});

describe("setting, changing and removing", () => {
  test("is told by GET /auth/pin", async () => {
    const { token } = await signIn(server.url);
    expect(await isSet(token)).toBe(false);
    await put(token, { pin });
    expect(await isSet(token)).toBe(true);
    await remove(token, { current_pin: pin });
    expect(await isSet(token)).toBe(false);
  });

  test("a change needs the present PIN, ends no session, and makes the old PIN wrong", async () => {
    const { phone, token } = await newPersonWithPin();
    expect(outcome(await put(token, { pin: "another" }))).toEqual(required);
    expect(outcome(await put(token, { pin: "another", current_pin: null }))).toEqual(required);
    expect(outcome(await put(token, { pin: "another", current_pin: "wrong" }))).toEqual(invalid(4));
    expect(outcome(await put(token, { pin: "another", current_pin: pin }))).toEqual(ok);
    expect(await isSet(token)).toBe(true);
    await askCode(phone);
    expect(outcome(await verify(phone, { pin }))).toEqual(invalid(4));
    expect((await verify(phone, { pin: "another" })).status).toBe(200);
  });

  test("a removal needs it too; removing what is not there is no refusal", async () => {
    const { phone, token } = await newPersonWithPin();
    for (const body of [undefined, {}, { current_pin: null }]) {
      expect(outcome(await remove(token, body))).toEqual(required);
    }
    expect(outcome(await remove(token, { current_pin: "wrong" }))).toEqual(invalid(4));
    for (let i = 0; i < 2; i++) expect(outcome(await remove(token, { current_pin: pin }))).toEqual(ok);
    expect(outcome(await remove(token))).toEqual(ok);
    await askCode(phone);
    expect((await verify(phone)).status).toBe(200);
  });

  test("who guesses with a token is locked out, and the owner's sign-in is not", async () => {
    const { phone, token } = await newPersonWithPin();
    for (let left = 4; left >= 0; left--) {
      expect(outcome(await remove(token, { current_pin: `guess ${left}` }))).toEqual(invalid(left));
    }
    expect(outcome(await remove(token, { current_pin: pin }))).toEqual(locked(60));
    expect(outcome(await put(token, { pin: "another", current_pin: pin }))).toEqual(locked(60));
    await askCode(phone);
    expect((await verify(phone, { pin })).status).toBe(200);
    clock += 60_000;
    for (let i = 0; i < 5; i++) await remove(token, { current_pin: "guess" });
    expect(outcome(await remove(token, { current_pin: pin }))).toEqual(locked(120));
    clock += 120_000;
    expect(outcome(await put(token, { pin: "another", current_pin: pin }))).toEqual(ok);
    expect(outcome(await remove(token, { current_pin: "guess" }))).toEqual(invalid(4));
  });

  test("of two that set the first one at the same time, one does", async () => {
    const { token } = await signIn(server.url);
    const answers = await Promise.all(["first", "second"].map((text) => put(token, { pin: text })));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 403]);
  });

  test.each([
    [{}, ["body.pin"]],
    [{ pin: null }, ["body.pin"]],
    [{ pin: 1234 }, ["body.pin"]],
    [{ pin: "123" }, ["body.pin"]],
    [{ pin: "1".repeat(65) }, ["body.pin"]],
    [{ pin: "12\u000034" }, ["body.pin"]],
    [{ pin: "1234", current_pin: 1234 }, ["body.current_pin"]],
    [{ pin: "1234", current_pin: "123" }, ["body.current_pin"]],
    [[], ["body"]],
  ])("calls %j malformed", async (body, places) => {
    const { token } = await signIn(server.url);
    expect(placesOf(await put(token, body))).toEqual(places);
    expect(await isSet(token)).toBe(false);
  });

  test.each(["GET", "PUT", "DELETE"])("%s needs a token", async (method) => {
    const answer = await rest(server.url, `${method} /auth/pin`, method === "PUT" ? { body: { pin } } : {});
    expect(outcome(answer)).toEqual({ status: 401, detail: "Not authenticated" });
  });

  test("a PIN in the address is not taken: addresses are written down by many", async () => {
    const { token } = await signIn(server.url);
    const answer = await rest(server.url, "PUT /auth/pin?pin=1234", { token, body: {} });
    expect(placesOf(answer)).toEqual(["body.pin"]);
  });
});

test("no PIN is in the log", () => {
  expect(lines.length).toBeGreaterThan(100);
  expect(lines.filter((line) => line.includes("correct horse") || line.includes("guess"))).toEqual([]);
});
