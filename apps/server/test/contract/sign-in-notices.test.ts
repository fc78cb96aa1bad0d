import { afterAll, expect, test } from "vitest";
import { randomPhone, rest as plainRest, signIn, signInWithDevice, type Json } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";
import { rest } from "./described-rest.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());
const { url } = server;

function sessionIdOf(token: string): string {
  const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Json;
  return String(claims["jti"]);
}

/** What a device is given when it resumes, until it has caught up. */
async function resumeFrames(token: string): Promise<Json[]> {
  await using client = await WsClient.connect(url, { token, resume: true });
  await client.next("caught_up");
  return client.frames.filter(({ type }) => type !== "caught_up");
}

const opened = (token: string, log: string): Json => ({
  type: "session",
  action: "opened",
  session_id: sessionIdOf(token),
  at: expect.stringMatching(/^\d{4}-.*Z$/) as unknown,
  log,
  seq: expect.any(Number) as unknown,
});
const added = (deviceId: string, log: string): Json => ({
  type: "device_list",
  action: "added",
  device_id: deviceId,
  log,
  seq: expect.any(Number) as unknown,
});

test("a first sign-in and the first device are news to nobody but that device", async () => {
  const { token, id } = await signInWithDevice(url, "first");
  expect(await resumeFrames(token)).toEqual([added("first", id)]);
});

test.each([
  ["live", false],
  ["resuming", true],
])("a %s device learns at once of a sign-in, and then of the device", async (_, resume) => {
  const { token, id, phone } = await signInWithDevice(url, "first");
  await using first = await WsClient.connect(url, { token, resume });
  const second = await signIn(url, phone);
  expect(await first.next("session")).toEqual(opened(second.token, id));
  expect(first.frames.filter(({ device_id }) => device_id === "second")).toEqual([]);
  await rest(url, "POST /keys/publish", {
    token: second.token,
    body: { device_id: "second", public_key: "key" },
  });
  await first.until("the new device", () =>
    first.frames.some(({ device_id, action }) => device_id === "second" && action === "added"),
  );
  // A device that resumes is told that it has caught up at some time, maybe between the two.
  const [notice, change] = first.frames.filter(({ type }) => type !== "caught_up").slice(-2);
  expect([notice, change]).toEqual([opened(second.token, id), added("second", id)]);
  expect(change?.["seq"]).toBe(Number(notice?.["seq"]) + 1);
});

test("a device that was away learns of both when it resumes; the new one of itself alone", async () => {
  const { token, id, phone } = await signInWithDevice(url, "first");
  const second = await signInWithDevice(url, "second", phone);
  expect(await resumeFrames(token)).toEqual([
    added("first", id),
    opened(second.token, id),
    added("second", id),
  ]);
  expect(await resumeFrames(second.token)).toEqual([added("second", id)]);
});

test("the same is read over tRPC", async () => {
  const { token, id, phone } = await signInWithDevice(url, "first");
  const second = await signIn(url, phone);
  const input = encodeURIComponent(JSON.stringify({ log: id, fromSeq: 2, toSeq: 2 }));
  const answer = await plainRest(url, `GET /trpc/sync.fill?input=${input}`, { token });
  const at = expect.stringMatching(/Z$/) as unknown;
  const event = { type: "session.opened", sessionId: sessionIdOf(second.token), at };
  expect(answer.body).toEqual({ result: { data: { entries: [{ log: id, seq: 2, at, event }] } } });
});

test("a sign-in that was refused is no news", async () => {
  const { token, id, phone } = await signInWithDevice(url, "first");
  await rest(url, "PUT /auth/pin", { token, body: { pin: "4711-4711" } });
  await rest(url, "POST /auth/request_otp", { body: { phone } });
  const tries = [{ otp: "000000" }, { otp: "123456" }, { otp: "123456", pin: "0815-0815" }];
  for (const body of tries) await rest(url, "POST /auth/verify_otp", { body: { phone, ...body } });
  expect(await resumeFrames(token)).toEqual([added("first", id)]);
});

test("strangers learn nothing", async () => {
  const stranger = await signInWithDevice(url, "stranger");
  const phone = randomPhone();
  for (let i = 0; i < 2; i++) await signIn(url, phone);
  expect(await resumeFrames(stranger.token)).toEqual([added("stranger", stranger.id)]);
});
