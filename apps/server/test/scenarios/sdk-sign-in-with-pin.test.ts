import { createClient, memoryStore, SottoError, type Client } from "@sotto/sdk";
import { expect, test } from "vitest";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

async function refusalOf(client: Client, input: Parameters<Client["signIn"]>[0]) {
  try {
    await client.signIn(input);
  } catch (error) {
    if (error instanceof SottoError) return error;
    throw error;
  }
  throw new Error("signed in");
}

test("a new device needs the PIN, and the one that is there learns of it", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  expect(await alice.client.pin.isSet()).toBe(false);
  await alice.client.pin.set("rain on tin");
  expect(await alice.client.pin.isSet()).toBe(true);

  await using laptop = await createClient({ url, store: memoryStore() });
  const { phone } = alice;
  const { otpSession, devCode = "" } = await laptop.requestOtp(phone);
  const code = { phone, otp: devCode, otpSession };
  expect(await refusalOf(laptop, code)).toMatchObject({ code: "PIN_REQUIRED", retry: "after_change" });
  const wrong = await refusalOf(laptop, { ...code, pin: "sun on tin" });
  if (wrong.code !== "PIN_INVALID") throw wrong;
  // Typed by the code.
  expect(wrong.details.attemptsLeft).toBe(4);
  expect(laptop.me).toBeNull();

  const opened = alice.event("sessionOpened");
  const added = alice.event("deviceList", ({ change }) => change === "added");
  const me = await laptop.signIn({ ...code, pin: "rain on tin" });
  expect(me.userId).toBe(alice.me.userId);
  expect(Date.parse((await opened).at)).toBeGreaterThan(Date.now() - 60_000);
  expect(await added).toEqual({ change: "added", deviceId: me.deviceId });
});

test("changing and removing it need the present one; sessions go on", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open({ url: server.url });
  const { pin } = alice.client;
  await pin.set("first pin");
  await expect(pin.set("second pin")).rejects.toMatchObject({ code: "PIN_REQUIRED" });
  await expect(pin.remove({ currentPin: "wrong pin" })).rejects.toMatchObject({ code: "PIN_INVALID" });
  await pin.set("second pin", { currentPin: "first pin" });
  await pin.remove({ currentPin: "second pin" });
  expect(await pin.isSet()).toBe(false);
  await pin.remove();
});

test("a device that signs in again is not told of itself", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open({ url: server.url });
  const seen: unknown[] = [];
  alice.client.on("sessionOpened", (session) => seen.push(session));
  await alice.client.stop();
  await alice.signIn();
  await alice.start();
  await alice.untilCaughtUp();
  expect(seen).toEqual([]);
});
