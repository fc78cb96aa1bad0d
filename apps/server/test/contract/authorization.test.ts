import { SignJWT } from "jose";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { rest as plainRest, signIn, type RestAnswer } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { signedInRoutes, unknownId } from "./contract-routes.ts";
import { rest } from "./described-rest.ts";

const day = 86_400_000;
const start = Date.now();
let clock = start;
const server = await startTestServer({ now: () => new Date(clock), env: { JWT_EXPIRES_MINUTES: "60" } });
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => {
  clock = start;
});

const encoder = new TextEncoder();
const secret = server.app.config.JWT_SECRET;

interface Claims {
  sub: string;
  jti: string;
  exp: number;
}

function claimsOf(token: string): Claims {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Claims;
}

function sign(claims: object, key = secret, alg = "HS256"): Promise<string> {
  return new SignJWT({ ...claims }).setProtectedHeader({ alg, typ: "JWT" }).sign(encoder.encode(key));
}

function expectRefused(answer: RestAnswer, detail: string): void {
  expect({ status: answer.status, body: answer.body }).toEqual({ status: 401, body: { detail } });
  expect(answer.headers.get("www-authenticate")).toBe("Bearer");
}

/** A body that each route takes, so that only the token is amiss. */
const body = { public_key: "k", device_id: "d", peer_user_id: unknownId, recipient_user_id: unknownId };
const good = { ...body, sender_device_id: "d", ciphertext: "c" };

describe.each(signedInRoutes.map(({ route }) => route))("%s", (route) => {
  const send = (authorization?: string): Promise<RestAnswer> =>
    rest(server.url, route, {
      ...(route.startsWith("GET") ? {} : { body: good }),
      ...(authorization === undefined ? {} : { headers: { authorization } }),
    });

  test("refuses a missing or malformed Authorization", async () => {
    for (const authorization of [undefined, "", "Bearer", "Bearer ", "Basic dTpw", "token", "Bearer a b"]) {
      expectRefused(await send(authorization), "Not authenticated");
    }
  });

  test("refuses what it has not signed", async () => {
    const { token } = await signIn(server.url);
    const claims = claimsOf(token);
    const [header = "", payload = "", signature = ""] = token.split(".");
    const other = Buffer.from(JSON.stringify({ ...claims, sub: unknownId })).toString("base64url");
    const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url");
    const forged = [
      "abc",
      "a.b.c",
      "x".repeat(5_000),
      await sign(claims, "another-secret-that-is-long-enough-to-be-one"),
      `${header}.${other}.${signature}`,
      `${none}.${payload}.`,
      `${header}.${payload}.`,
    ];
    for (const bad of forged) expectRefused(await send(`Bearer ${bad}`), "Invalid token");
  });

  test("refuses a signed token of no known session or user", async () => {
    const { token } = await signIn(server.url);
    const claims = claimsOf(token);
    const unknown = [
      { ...claims, jti: unknownId },
      { ...claims, sub: unknownId },
      { ...claims, sub: "not-an-id" },
      { sub: claims.sub, exp: claims.exp },
      { sub: claims.sub, jti: claims.jti },
    ];
    for (const each of unknown) expectRefused(await send(`Bearer ${await sign(each)}`), "Invalid token");
  });

  test("refuses an expired token, also one that it knew", async () => {
    const fresh = await signIn(server.url);
    const known = await signIn(server.url);
    expect((await plainRest(server.url, "GET /keys/me", { token: known.token })).status).toBe(200);
    clock = start + 3_600_000;
    expectRefused(await send(`Bearer ${fresh.token}`), "Token expired");
    expectRefused(await send(`Bearer ${known.token}`), "Token expired");
    clock = start + 30 * day;
    expectRefused(await send(`Bearer ${known.token}`), "Token expired");
  });

  test("refuses a token that was logged out", async () => {
    const { token } = await signIn(server.url);
    const out = await rest(server.url, "POST /auth/logout", { token });
    expect(out.body).toEqual({ detail: "ok" });
    expectRefused(await send(`Bearer ${token}`), "Invalid token");
  });
});

test("the scheme's name may be written in any case", async () => {
  const { token } = await signIn(server.url);
  for (const scheme of ["bearer", "BEARER", "Bearer "]) {
    const answer = await rest(server.url, "GET /keys/me", {
      headers: { authorization: `${scheme} ${token}` },
    });
    expect(answer.status).toBe(200);
  }
});

test("a token says who the user is, and how long it is good", async () => {
  const person = await signIn(server.url);
  const { iat, ...claims } = claimsOf(person.token) as Claims & { iat: number };
  expect(iat).toBe(Math.floor(clock / 1000));
  expect(claims).toEqual({
    sub: person.id,
    phone: person.phone,
    jti: expect.any(String) as unknown,
    exp: Math.floor((clock + 3_600_000) / 1000),
  });
});

test("one logout leaves the user's other tokens as they are", async () => {
  const first = await signIn(server.url);
  const second = await signIn(server.url, first.phone);
  await rest(server.url, "POST /auth/logout", { token: first.token });
  expect((await rest(server.url, "GET /keys/me", { token: second.token })).status).toBe(200);
});
