import { expect, test } from "vitest";
import { createTestDatabase } from "../database.ts";
import { Proxy } from "../proxy.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

test("clients outlive a restart of the server: what is sent meanwhile arrives, once and in order", async () => {
  await using database = await createTestDatabase();
  const first = await startTestServer({ database });
  await using proxy = await Proxy.open(first.url);
  await using alice = await TestUser.open({ url: proxy.url });
  await using bob = await TestUser.open({ url: proxy.url });
  await alice.to(bob).send("1");
  await bob.untilReceived(1);
  const offline = bob.until("offline", () => bob.client.status.state === "offline");
  await first[Symbol.asyncDispose]();
  const sending = [alice.to(bob).send("2"), alice.to(bob).send("3")];
  await offline;
  await using second = await startTestServer({ database });
  proxy.targetUrl = second.url;
  await Promise.all(sending);
  await bob.untilReceived(3);
  expect(bob.texts).toEqual(["1", "2", "3"]);
  expect(bob.client.status.state).toBe("online");
});
