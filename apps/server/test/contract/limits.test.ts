import { describe, expect, test } from "vitest";
import { newGroup, newMembers } from "../groups.ts";
import { requireRedisUrl, startTestServer } from "../test-server.ts";
import { randomPhone, rest as plainRest, signIn, type RestAnswer } from "../rest-client.ts";
import { outcome, rest } from "./described-rest.ts";
import { newPair } from "./people.ts";

function expectLimited(answer: RestAnswer): void {
  expect(outcome(answer)).toEqual({ status: 429, detail: "Rate limit exceeded" });
  expect(answer.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
  expect(Number(answer.headers.get("retry-after"))).toBeLessThanOrEqual(60);
}

describe("limits", () => {
  test("CHAT_USER_MSGS_PER_MINUTE counts one user's sends, on every token, and nothing else", async () => {
    await using server = await startTestServer({ env: { CHAT_USER_MSGS_PER_MINUTE: "3" } });
    const [ada, bob] = await newPair(server.url);
    const send = (token: string, to: string): Promise<RestAnswer> =>
      rest(server.url, "POST /messages/send", {
        token,
        body: { recipient_user_id: to, sender_device_id: "label", ciphertext: "c" },
      });
    const again = await signIn(server.url, ada.phone);
    for (const token of [ada.token, again.token, ada.token])
      expect((await send(token, bob.id)).status).toBe(200);
    expectLimited(await send(ada.token, bob.id));
    expectLimited(await send(again.token, bob.id));
    expect((await send(bob.token, ada.id)).status).toBe(200);
    expect((await rest(server.url, "GET /messages/inbox", { token: ada.token })).status).toBe(200);
  });

  test("RATE_LIMIT_PER_MINUTE counts one user's other calls; acks have more", async () => {
    await using server = await startTestServer({ env: { RATE_LIMIT_PER_MINUTE: "4" } });
    const [ada, bob] = [await signIn(server.url), await signIn(server.url)];
    for (const route of ["GET /keys/me", "GET /messages/inbox", "POST /presence/ping", "GET /keys/me"]) {
      expect((await rest(server.url, route, { token: ada.token })).status).toBe(200);
    }
    for (const route of ["GET /keys/me", "GET /messages/conversations", "POST /auth/logout"]) {
      expectLimited(await rest(server.url, route, { token: ada.token }));
    }
    expect((await rest(server.url, "GET /keys/me", { token: bob.token })).status).toBe(200);
    const sent = await rest(server.url, "POST /messages/send", {
      token: ada.token,
      body: { recipient_user_id: bob.id, sender_device_id: "d", ciphertext: "c" },
    });
    for (let i = 0; i < 8; i++) {
      const path = `POST /messages/${String(sent.body["id"])}/ack_read`;
      expect((await rest(server.url, path, { token: bob.token })).status).toBe(200);
    }
  });

  test("CHAT_GROUP_MSGS_PER_MINUTE counts one group's messages, whoever sends; strangers use nothing up", async () => {
    await using server = await startTestServer({ env: { CHAT_GROUP_MSGS_PER_MINUTE: "2" } });
    const { url } = server;
    const [ada, bob, eve] = await newMembers(url, 3);
    if (!ada || !bob || !eve) throw new Error("three were asked for");
    const [group, other] = [await newGroup(url, ada, [bob]), await newGroup(url, ada, [bob])];
    const send = (token: string, to: string): Promise<RestAnswer> =>
      rest(url, "POST /messages/send_group", {
        token,
        body: { conversation_id: to, sender_device_id: "phone", ciphertext: "c" },
      });
    for (let i = 0; i < 3; i++) expect((await send(eve.token, group)).status).toBe(404);
    for (const { token } of [ada, bob]) expect((await send(token, group)).status).toBe(200);
    for (const { token } of [ada, bob]) {
      const limited = await send(token, group);
      expect(outcome(limited)).toEqual({ status: 429, detail: "Group rate limit exceeded" });
      expect(limited.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    }
    expect((await send(bob.token, other)).status).toBe(200);
  });

  test("typing has a count of its own", async () => {
    await using server = await startTestServer({ env: { RATE_LIMIT_PER_MINUTE: "3" } });
    const [ada, bob] = [await signIn(server.url), await signIn(server.url)];
    const type = (): Promise<RestAnswer> =>
      rest(server.url, "POST /messages/typing", { token: ada.token, body: { peer_user_id: bob.id } });
    for (let i = 0; i < 3; i++) expect((await type()).status).toBe(200);
    expectLimited(await type());
    expect((await rest(server.url, "GET /keys/me", { token: ada.token })).status).toBe(200);
  });

  test("KEY_LOOKUPS_PER_HOUR counts one user's reads of keys, beside the other calls", async () => {
    await using server = await startTestServer({
      env: { KEY_LOOKUPS_PER_HOUR: "2", RATE_LIMIT_PER_MINUTE: "4" },
    });
    const [ada, bob] = [await signIn(server.url), await signIn(server.url)];
    const look = (token: string): Promise<RestAnswer> => rest(server.url, `GET /keys/${bob.id}`, { token });
    for (let i = 0; i < 2; i++) expect((await look(ada.token)).status).toBe(200);
    const limited = await look(ada.token);
    expect(outcome(limited)).toEqual({ status: 429, detail: "Rate limit exceeded" });
    expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(3_000);
    expect((await look(bob.token)).status).toBe(200);
    expect((await rest(server.url, "GET /keys/me", { token: ada.token })).status).toBe(200);
    expectLimited(await rest(server.url, "GET /keys/me", { token: ada.token }));
  });

  test("are told on tRPC with the seconds to wait", async () => {
    await using server = await startTestServer({ env: { RATE_LIMIT_PER_MINUTE: "1" } });
    const { token } = await signIn(server.url);
    const call = (): Promise<RestAnswer> => plainRest(server.url, "GET /trpc/keys.listMine", { token });
    expect((await call()).status).toBe(200);
    const limited = await call();
    expect(limited.status).toBe(429);
    expect(limited.body).toMatchObject({
      error: {
        data: {
          sotto: { code: "RATE_LIMITED", details: { retryAfter: expect.any(Number) as number } },
        },
      },
    });
    expect(limited.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
  });

  test("malformed calls count too, unauthenticated ones do not", async () => {
    await using server = await startTestServer({ env: { RATE_LIMIT_PER_MINUTE: "2" } });
    const ada = await signIn(server.url);
    for (let i = 0; i < 5; i++) expect((await rest(server.url, "GET /keys/me")).status).toBe(401);
    for (let i = 0; i < 2; i++) {
      const answer = await rest(server.url, "GET /messages/inbox?limit=x", { token: ada.token });
      expect(answer.status).toBe(422);
    }
    expectLimited(await rest(server.url, "GET /keys/me", { token: ada.token }));
  });

  test("with Redis the servers count together", async () => {
    const env = { RATE_LIMIT_PER_MINUTE: "4", REDIS_URL: requireRedisUrl() };
    await using one = await startTestServer({ env });
    await using two = await startTestServer({ env, database: one.database });
    const ada = await signIn(one.url);
    for (const { url } of [one, two, one, two]) {
      expect((await rest(url, "GET /keys/me", { token: ada.token })).status).toBe(200);
    }
    for (const { url } of [one, two]) expectLimited(await rest(url, "GET /keys/me", { token: ada.token }));
  });

  test("outside dev an address may try a bounded number of codes", async () => {
    await using server = await startTestServer({
      env: {
        ENV: "production",
        JWT_SECRET: "a secret of the operator that is long enough",
        OTP_MODE: "http",
        OTP_HTTP_URL: "https://127.0.0.1:9/sms",
        OTP_HTTP_SECRET: "a-secret-for-the-gateway",
      },
    });
    const verify = (): Promise<RestAnswer> =>
      rest(server.url, "POST /auth/verify_otp", { body: { phone: randomPhone(), otp: "1" } });
    const unsent = await rest(server.url, "POST /auth/request_otp", { body: { phone: "+4915112345678" } });
    expect(outcome(unsent)).toEqual({ status: 503, detail: "The code could not be sent" });
    const answers: RestAnswer[] = [];
    for (let i = 0; i < 60; i++) answers.push(await verify());
    const limited = answers.at(-1);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(1);
    expect(outcome(limited ?? (await verify()))).toEqual({
      status: 429,
      detail: { code: "otp_rate_limited", retry_after: expect.any(Number) as number },
    });
    expect(limited?.headers.get("retry-after")).toMatch(/^\d+$/);
  });
});
