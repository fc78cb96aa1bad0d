import { expect, test } from "vitest";
import { TrpcSubscription } from "./trpc-subscription.ts";

function subscribe() {
  const told: string[] = [];
  const subscription = new TrpcSubscription(1, ({ type }) => void told.push(type));
  const running = { [Symbol.dispose]: () => void told.push("disposed of") };
  return { told, subscription, running };
}

test("started comes first and once, also where an event comes before the opening is done", () => {
  const { told, subscription, running } = subscribe();
  subscription.send("early");
  subscription.start(running);
  subscription.send("late");
  subscription.stop();
  subscription.send("too late");
  expect(told).toEqual(["started", "data", "data", "disposed of", "stopped"]);
});

test("what was opened only after the end is disposed of at once, and starts nothing", () => {
  const { told, subscription, running } = subscribe();
  subscription.stop();
  subscription.start(running);
  subscription.send("too late");
  expect(told).toEqual(["stopped", "disposed of"]);
});
