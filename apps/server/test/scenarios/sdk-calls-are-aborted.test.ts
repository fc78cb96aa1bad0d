/** Calls that may take long end when their signal aborts. */
import { expect, test } from "vitest";
import { RecordingProxy } from "../recording-proxy.ts";
import { bytesOf } from "../sdk-backups.ts";
import { randomFile } from "../sdk-files.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

const aborted = expect.objectContaining({ code: "ABORTED" });

test("a cancel waits for a server that does not answer no longer than its caller does", async () => {
  await using server = await startTestServer({ env: { MAX_BLOB_BYTES: "100000" } });
  await using proxy = await RecordingProxy.listen(server.url);
  await using alice = await TestUser.open({ url: proxy.url });
  await using bob = await TestUser.open({ url: server.url });
  const clientMessageId = crypto.randomUUID();
  const to = alice.to(bob);
  // It is refused, and stands there as failed.
  const refused = to.sendFile(randomFile(200_000), { name: "n", clientMessageId });
  await expect(refused).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" });

  await expect(to.cancel(clientMessageId, { signal: AbortSignal.abort() })).rejects.toEqual(aborted);
  expect((await to.messages()).messages).toHaveLength(1);

  const caller = new AbortController();
  const answering = Promise.withResolvers<void>();
  proxy.alter = async (answer) => {
    if (answer.path.includes("uploads.cancel")) {
      caller.abort();
      await answering.promise;
    }
    return answer;
  };
  const begunAt = performance.now();
  expect(await to.cancel(clientMessageId, { signal: caller.signal })).toBe(true);
  expect(caller.signal.aborted).toBe(true);
  expect(performance.now() - begunAt).toBeLessThan(4_000);
  answering.resolve();
  expect((await to.messages()).messages).toEqual([]);
});
test("a backup, and a history for a device, break off", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  for (let at = 0; at < 30; at++) await alice.to(bob).send(`line ${at}`);
  await using laptop = await TestUser.open({ url, phone: alice.phone });
  const { backup } = alice.client;
  const recoveryKey = await backup.generateRecoveryKey();
  const exports = [
    (signal: AbortSignal) => backup.export(recoveryKey, { signal }),
    (signal: AbortSignal) => backup.exportForDevice(laptop.me.deviceId, { signal }),
  ];
  for (const start of exports) {
    await expect(start(AbortSignal.abort())).rejects.toEqual(aborted);
    const caller = new AbortController();
    const stream = await start(caller.signal);
    caller.abort();
    await expect(bytesOf(stream)).rejects.toEqual(aborted);
    const whole = await bytesOf(await start(new AbortController().signal));
    expect(whole.length).toBeGreaterThan(1_000);
  }
});
