import { describe, expect, test } from "vitest";
import { signIn } from "../rest-client.ts";
import { requireRedisUrl, startTestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";
import { outcome, rest } from "./described-rest.ts";
import { newPerson } from "./people.ts";

const withinMs = 1_000;

/** Calls until the token is refused; gives the refusal and how long that took. */
async function refusalOf(url: string, token: string): Promise<{ detail: unknown; ms: number }> {
  const start = performance.now();
  for (;;) {
    const answer = await rest(url, "GET /keys/me", { token });
    const ms = performance.now() - start;
    if (answer.status !== 200) return { detail: outcome(answer).detail, ms };
    if (ms > 10_000) throw new Error("the token is still good");
  }
}

describe.each([
  ["without Redis", () => ({})],
  ["with Redis", () => ({ REDIS_URL: requireRedisUrl() })],
])("two servers on one database, %s", (_, envOf) => {
  test("a removed device's tokens and sockets end on both within a second", async () => {
    await using one = await startTestServer({ env: envOf() });
    await using two = await startTestServer({ env: envOf(), database: one.database });
    const phone = await newPerson(one.url, "phone");
    const sold = await newPerson(one.url, "sold", phone.phone);
    await using stack = new AsyncDisposableStack();
    const ending = [];
    for (const { url } of [one, two]) {
      ending.push(stack.use(await WsClient.connect(url, { token: sold.token })));
      ending.push(stack.use(await WsClient.connect(url, { token: sold.token, header: true })));
    }
    const staying = stack.use(await WsClient.connect(two.url, { token: phone.token }));

    const start = performance.now();
    const removed = await rest(one.url, "DELETE /keys/devices/sold", { token: phone.token });
    expect(removed.status).toBe(200);
    const refusals = await Promise.all([refusalOf(one.url, sold.token), refusalOf(two.url, sold.token)]);
    expect(await Promise.all(ending.map(({ closed }) => closed))).toEqual([4403, 4403, 4403, 4403]);
    expect(performance.now() - start).toBeLessThan(withinMs);
    for (const { detail, ms } of refusals) {
      expect(detail).toBe("Invalid token");
      expect(ms).toBeLessThan(withinMs);
    }
    staying.send({ type: "ping" });
    await staying.next("pong");
    await using refused = new WsClient(two.url, { token: sold.token });
    expect(await refused.closed).toBe(4401);
  });

  test("logging out ends the session's sockets on both within a second", async () => {
    await using one = await startTestServer({ env: envOf() });
    await using two = await startTestServer({ env: envOf(), database: one.database });
    const ada = await signIn(one.url);
    await using here = await WsClient.connect(one.url, { token: ada.token });
    await using there = await WsClient.connect(two.url, { token: ada.token });
    const start = performance.now();
    await rest(one.url, "POST /auth/logout", { token: ada.token });
    expect(await Promise.all([here.closed, there.closed])).toEqual([4401, 4401]);
    expect((await refusalOf(two.url, ada.token)).detail).toBe("Invalid token");
    expect(performance.now() - start).toBeLessThan(withinMs);
  });

  test("a device published on one is the token's device on the other within a second", async () => {
    await using one = await startTestServer({ env: envOf() });
    await using two = await startTestServer({ env: envOf(), database: one.database });
    const ada = await signIn(one.url);
    // Once the other has noted a later change, it has long noted that this session is new.
    const marker = await signIn(one.url);
    await rest(two.url, "GET /keys/me", { token: marker.token });
    await rest(one.url, "POST /auth/logout", { token: marker.token });
    await refusalOf(two.url, marker.token);
    await refuseToResume(two.url, ada.token);

    const body = { device_id: "first", public_key: "k" };
    await rest(one.url, "POST /keys/publish", { token: ada.token, body });
    const start = performance.now();
    while (!(await canResume(two.url, ada.token))) {
      expect(performance.now() - start).toBeLessThan(withinMs);
    }
  });
});

async function canResume(url: string, token: string): Promise<boolean> {
  await using client = new WsClient(url, { token, resume: true });
  const caughtUp = client.next("caught_up").then(() => true);
  return await Promise.race([caughtUp, client.closed.then(() => false)]);
}

async function refuseToResume(url: string, token: string): Promise<void> {
  await using client = new WsClient(url, { token, resume: true });
  expect(await client.closed).toBe(4403);
}

test("an expired token's socket closes with 4401", async () => {
  // The token is issued 58.5 seconds ago, and good for a minute.
  let offset = -58_500;
  await using server = await startTestServer({
    env: { JWT_EXPIRES_MINUTES: "1" },
    now: () => new Date(Date.now() + offset),
  });
  const ada = await newPerson(server.url);
  offset = 0;
  await using plain = await WsClient.connect(server.url, { token: ada.token });
  await using resuming = await WsClient.connect(server.url, { token: ada.token, resume: true });
  expect(await Promise.all([plain.closed, resuming.closed])).toEqual([4401, 4401]);
  expect(outcome(await rest(server.url, "GET /keys/me", { token: ada.token }))).toEqual({
    status: 401,
    detail: "Token expired",
  });
});

test.each(["", "abc", "a.b.c"])("a socket with the token %j closes with 4401", async (token) => {
  await using server = await startTestServer();
  await using inQuery = new WsClient(server.url, { token });
  await using inHeader = new WsClient(server.url, { token, header: true });
  await using without = new WsClient(server.url);
  expect(await Promise.all([inQuery.closed, inHeader.closed, without.closed])).toEqual([4401, 4401, 4401]);
});
