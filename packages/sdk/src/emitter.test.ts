import { expect, test } from "vitest";
import { Emitter } from "./emitter.ts";

interface Events {
  count: number;
}

test("an iteration gives what is told from its first step on, in order, until it is left", async () => {
  const emitter = new Emitter<Events>();
  emitter.emit("count", 0);
  const seen: number[] = [];
  const iteration = emitter.iterate("count");
  const first = iteration.next();
  for (const count of [1, 2, 3]) emitter.emit("count", count);
  seen.push(Number((await first).value));
  for await (const count of iteration) {
    seen.push(count);
    if (count === 3) break;
  }
  expect(seen).toEqual([1, 2, 3]);
  expect(emitter.has("count")).toBe(false);
});

test("an iteration ends when its signal aborts, also while it waits", async () => {
  const emitter = new Emitter<Events>();
  const abort = new AbortController();
  const waiting = emitter.iterate("count", abort.signal).next();
  abort.abort();
  expect(await waiting).toEqual({ done: true, value: undefined });
  expect(await emitter.iterate("count", abort.signal).next()).toEqual({ done: true, value: undefined });
  expect(emitter.has("count")).toBe(false);
});

test("whoever falls behind loses the oldest", async () => {
  const emitter = new Emitter<Events>();
  const iteration = emitter.iterate("count");
  const first = iteration.next();
  for (let count = 0; count < 1_500; count++) emitter.emit("count", count);
  expect((await first).value).toBe(500);
  expect((await iteration.next()).value).toBe(501);
  await iteration.return();
});
