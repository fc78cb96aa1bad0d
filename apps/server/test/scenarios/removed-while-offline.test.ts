import { memoryStore } from "@sotto/sdk";
import { expect, test } from "vitest";
import { rest, signIn } from "../rest-client.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";

test("a device that was removed while it was offline is told so when it comes back", async () => {
  await using server = await startTestServer();
  const store = memoryStore();
  await using lost = await TestUser.open({ url: server.url, store });
  const deviceId = lost.client.me?.deviceId ?? "";
  await lost.client.stop();
  const other = await signIn(server.url, lost.phone);
  const removal = await rest(server.url, `DELETE /keys/devices/${deviceId}`, { token: other.token });
  expect(removal.status).toBe(200);

  const ended = new Promise((resolve) =>
    lost.client.on("status", ({ state }) => state === "device_removed" && resolve(state)),
  );
  await lost.client.start();
  expect(await ended).toBe("device_removed");
});

test("the socket of a token that expires is closed with 4401", async () => {
  let offsetMs = 0;
  const now = (): Date => new Date(Date.now() + offsetMs);
  await using server = await startTestServer({ now, env: { JWT_EXPIRES_MINUTES: "1" } });
  const person = await signIn(server.url);
  // Then it has some seconds left.
  offsetMs = 57_000;
  await using socket = await WsClient.connect(server.url, { token: person.token });
  expect(await socket.closed).toBe(4401);
});
