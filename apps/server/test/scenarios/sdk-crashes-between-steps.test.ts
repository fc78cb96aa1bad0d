import { createClient } from "@sotto/sdk";
import { expect, test } from "vitest";
import { randomPhone } from "../rest-client.ts";
import { CrashingStore, TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

/** A message is queued, sealed and delivered in one commit each. */
const moments = [1, 2, 3].flatMap((commit) => [
  { commit, when: "before" as const },
  { commit, when: "after" as const },
]);

const nth = (commit: number) => {
  let commits = 0;
  return () => ++commits === commit;
};

test("a crash between any two steps of signing in leaves one device, and the same", async () => {
  await using server = await startTestServer();
  const { url } = server;
  for (const { commit, when } of moments.slice(0, 4)) {
    const phone = randomPhone();
    const disk = new CrashingStore();
    const first = await createClient({ url, store: disk.open() });
    disk.crashAt(when, nth(commit));
    const { otpSession, devCode = "" } = await first.requestOtp(phone);
    await expect(first.signIn({ phone, otp: devCode, otpSession })).rejects.toThrow("dies");

    const halfway = await createClient({ url, store: disk.open() });
    const { me } = halfway;
    expect(me === null).toBe(commit === 1 && when === "before");
    await using user = await TestUser.open({ url, phone, store: disk.open() });
    await user.untilCaughtUp();
    if (me) expect(user.me).toEqual(me);
    expect(await user.client.devices.list()).toMatchObject([
      { deviceId: user.me.deviceId, isThisDevice: true },
    ]);
  }
});

test("a crash between any two steps of a send loses and doubles nothing", async () => {
  await using server = await startTestServer();
  const { url } = server;
  for (const { commit, when } of moments) {
    const disk = new CrashingStore();
    await using bob = await TestUser.open({ url });
    const first = await TestUser.open({ url, store: disk.open(), isStarted: false });
    const conversation = first.to(bob);
    await conversation.send("0");
    disk.crashAt(when, nth(commit));
    await expect(conversation.send("1")).rejects.toThrow();
    await first.client.close();

    await using again = await TestUser.open({ url, store: disk.open() });
    await again.untilCaughtUp();
    await again.to(bob).send("2");
    await bob.until("the last one", () => bob.texts.at(-1) === "2");
    // Before its first commit a message is not in the outbox yet.
    const isQueued = commit > 1 || when === "after";
    const expected = isQueued ? ["0", "1", "2"] : ["0", "2"];
    expect(bob.texts, `${when} commit ${commit}`).toEqual(expected);
  }
}, 60_000);
