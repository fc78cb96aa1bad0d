import { expect, test } from "vitest";
import { Gate } from "./gate.ts";

test("no more than the width run at once, in the order in which they came, and a failure makes room", async () => {
  const gate = new Gate(2);
  const order: number[] = [];
  let running = 0;
  let most = 0;
  const work = (n: number) => async (): Promise<number> => {
    order.push(n);
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    if (n % 3 === 0) throw new Error(`${n}`);
    return n;
  };
  const settled = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => gate.run(work(n))));
  expect(most).toBe(2);
  expect(order).toEqual(Array.from({ length: 20 }, (_, n) => n));
  expect(settled.map(({ status }) => status === "rejected")).toEqual(order.map((n) => n % 3 === 0));
});
