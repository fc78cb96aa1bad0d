import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createApi } from "./api.ts";
import { createRest } from "./rest.ts";

let answer = "";
/** It gives this answer, or none at all. */
const server = createServer((request, response) => {
  request.resume();
  if (answer !== "") response.end(answer);
});
let url = "";

beforeEach(async () => {
  answer = "";
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(async () => {
  vi.useRealTimers();
  server.closeAllConnections();
  server.close();
  await once(server, "close");
});

const calls = {
  "a procedure": (signal?: AbortSignal) =>
    createApi({ url, getToken: () => undefined }).call(
      (procedures, options) => procedures.auth.requestOtp.mutate({ phone: "+491700000001" }, options),
      signal,
    ),
  "a route": (signal?: AbortSignal) =>
    createRest({ url, getToken: () => undefined }).request({ method: "GET", path: "/attachments/x", signal }),
};

test.each(Object.entries(calls))(
  "%s that is not answered is given up, and may be repeated",
  async (_, call) => {
    const calling = call(new AbortController().signal);
    calling.catch(() => {});
    await once(server, "request");
    await vi.advanceTimersByTimeAsync(180_000);
    await expect(calling).rejects.toMatchObject({ code: "NETWORK", retry: "later" });
  },
);

test.each(Object.entries(calls))("%s ends when its caller gives it up", async (_, call) => {
  const giving = new AbortController();
  const calling = call(giving.signal);
  calling.catch(() => {});
  await once(server, "request");
  giving.abort();
  await expect(calling).rejects.toMatchObject({ code: "ABORTED" });
});

test("no timer is left of a call that was answered", async () => {
  answer = "bytes";
  const before = vi.getTimerCount();
  await calls["a route"]();
  expect(vi.getTimerCount()).toBe(before);
});
