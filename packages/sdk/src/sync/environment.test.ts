import { expect, test } from "vitest";
import { watchEnvironment } from "./environment.ts";

/** A page whose visibility can be set. */
class Page extends EventTarget {
  visibilityState = "visible";
}

test("tells what a page knows of its network and its user, until it is ended", () => {
  const document = new Page();
  const global = Object.assign(new EventTarget(), { document });
  const heard: string[] = [];
  const listeners = { onNetworkUp: () => heard.push("up"), onDoubt: () => heard.push("doubt") };
  const stop = watchEnvironment(listeners, global);
  const show = (visibilityState: string): void => {
    document.visibilityState = visibilityState;
    document.dispatchEvent(new Event("visibilitychange"));
  };
  global.dispatchEvent(new Event("online"));
  global.dispatchEvent(new Event("offline"));
  show("hidden");
  expect(heard).toEqual(["up", "doubt"]);
  show("visible");
  document.dispatchEvent(new Event("resume"));
  global.dispatchEvent(new Event("pageshow"));
  expect(heard).toEqual(["up", "doubt", "doubt", "doubt", "doubt"]);
  stop();
  global.dispatchEvent(new Event("online"));
  show("visible");
  expect(heard).toHaveLength(5);
});

test("where there is nothing to listen to, nothing comes", () => {
  watchEnvironment(
    {
      onNetworkUp: () => {},
      onDoubt: () => {},
    },
    {},
  )();
});
