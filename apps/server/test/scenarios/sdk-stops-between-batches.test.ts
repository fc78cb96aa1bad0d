import { memoryStore, type Store } from "@sotto/sdk";
import { expect, test } from "vitest";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

/** A store whose commits of received messages wait, one by one, until they are let through. */
class SlowStore {
  readonly #waiting: (() => void)[] = [];
  #arrival = Promise.withResolvers<void>();
  isSlow = false;

  readonly store: Store;

  constructor() {
    const kept = memoryStore();
    this.store = {
      get: (key) => kept.get(key),
      list: (prefix, options) => kept.list(prefix, options),
      close: () => kept.close(),
      commit: async (writes) => {
        if (this.isSlow && writes.some(({ key }) => key.startsWith("inbox/"))) {
          await new Promise<void>((resolve) => {
            this.#waiting.push(resolve);
            this.#arrival.resolve();
            this.#arrival = Promise.withResolvers();
          });
        }
        await kept.commit(writes);
      },
    };
  }

  async untilWaiting(): Promise<void> {
    if (this.#waiting.length === 0) await this.#arrival.promise;
  }

  letThrough(): void {
    this.#waiting.shift()?.();
  }

  letAllThrough(): void {
    this.isSlow = false;
    while (this.#waiting.length > 0) this.letThrough();
  }
}

test("what came while a client was stopping is shown once by the next start", async () => {
  await using server = await startTestServer();
  const slow = new SlowStore();
  await using alice = await TestUser.open({ url: server.url });
  await using bob = await TestUser.open({ url: server.url, store: slow.store });
  await alice.to(bob).send("1");
  await bob.untilReceived(1);
  slow.isSlow = true;
  const held = slow.untilWaiting();
  await alice.to(bob).send("2");
  await held;
  // The signal follows "3" on the same socket: it has come too, and waits for the batch before it.
  await alice.to(bob).send("3");
  const typing = bob.event("typing");
  await alice.to(bob).typing(true);
  await typing;

  const stopped = bob.client.stop();
  // The connection has ended: what is left of stopping is to wait for the batch.
  while ((await alice.client.presence(bob.userId)).online) await new Promise(setImmediate);
  slow.letThrough();
  await stopped;
  await bob.start();
  slow.letAllThrough();
  await alice.to(bob).send("end");
  await bob.until("the last one", () => bob.texts.at(-1) === "end");
  expect(bob.texts).toEqual(["1", "2", "3", "end"]);
});
