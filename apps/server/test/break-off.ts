import { expect } from "vitest";
import type { Proxy } from "./proxy.ts";

/** Gives a call up once its request to a path is under way, which does not reach the server. */
export async function breakOff(proxy: Proxy, path: string, call: (signal: AbortSignal) => Promise<unknown>) {
  const held = proxy.holdRequestTo(path);
  const giving = new AbortController();
  const calling = call(giving.signal);
  calling.catch(() => {});
  await held.arrived;
  giving.abort();
  await expect(calling).rejects.toMatchObject({ code: "ABORTED" });
  return held;
}
