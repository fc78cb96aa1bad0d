import { expect, test } from "vitest";
import { createDevices } from "./devices.ts";
import { memoryStore } from "./storage/memory-store.ts";
import { openOffline } from "./timeline/offline-fixtures.ts";

test("asking for a link code ends when its signal aborts", async () => {
  const devices = createDevices((await openOffline(memoryStore())).getSession);
  await expect(devices.link()).rejects.toMatchObject({ code: "NETWORK" });
  await expect(devices.link({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ABORTED" });
});
