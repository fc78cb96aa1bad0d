import { createClient, memoryStore, type Store } from "@sotto/sdk";
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
    await expect(first.signIn({ phone, otp: devCode, otpSession })).rejects.toMatchObject({
      code: "STORE_FAILED",
      cause: { message: "the process dies" },
    });

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

test("a commit that fails while a message is sent leaves it queued, and the next start sends it once", async () => {
  await using server = await startTestServer();
  await using bob = await TestUser.open(server);
  for (const commit of [2, 3]) {
    const kept = memoryStore();
    let commits = -Infinity;
    const store: Store = {
      ...kept,
      commit: async (writes) => {
        if (++commits === commit) throw new Error("the disk is full");
        return kept.commit(writes);
      },
    };
    await using alice = await TestUser.open({ url: server.url, store, isStarted: false });
    await alice.to(bob).send("0");
    commits = 0;
    await expect(alice.to(bob).send(`1 of ${commit}`)).rejects.toMatchObject({
      code: "STORE_FAILED",
      cause: { message: "the disk is full" },
    });
    expect((await alice.to(bob).messages()).messages.at(-1)).toMatchObject({ state: "queued" });
    await alice.client.start();
    await alice.untilAsync("sent", async () => {
      return (await alice.to(bob).messages()).messages.every(({ state }) => state !== "queued");
    });
    await alice.to(bob).send(`2 of ${commit}`);
    await bob.until("the last one", () => bob.texts.at(-1) === `2 of ${commit}`);
    expect(bob.texts.slice(-3)).toEqual(["0", `1 of ${commit}`, `2 of ${commit}`]);
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
