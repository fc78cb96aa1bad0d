import { expect } from "vitest";
import type { Proxy } from "./proxy.ts";

/** Has a send refused, whose request does not reach the server. Gives the request: a duplicate of it may be stored yet. */
export async function refuseSend(proxy: Proxy, send: () => Promise<unknown>) {
  const held = proxy.holdRequestTo("/trpc/messages.send");
  const sending = send();
  sending.catch(() => {});
  await held.arrived;
  held.refuse(403, "YOU_ARE_BLOCKED");
  await expect(sending).rejects.toMatchObject({ code: "YOU_ARE_BLOCKED" });
  return held;
}
