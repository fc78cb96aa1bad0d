import { memoryStore } from "@sotto/sdk";
import { afterAll, expect, test } from "vitest";
import { Proxy } from "../proxy.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());
const { url } = server;
const emptied = [{ key: "store-version", value: expect.any(Number) as unknown }];

test("what came into the store after its user has signed out is not the next one's to send", async () => {
  const store = memoryStore();
  await using proxy = await Proxy.open(url);
  await using bob = await TestUser.open({ url });
  await using alice = await TestUser.open({ url: proxy.url, store });
  const clientMessageId = crypto.randomUUID();
  const queued = alice.event("outbox", ({ state }) => state === "queued");
  proxy.goOffline();
  const sending = alice.to(bob).send("not yours", { clientMessageId });
  sending.catch(() => {});
  await queued;
  const names = ["sent/", "outbox/", "unplaced/"];
  const late = (await Promise.all(names.map((name) => store.list(name)))).flat();
  expect(late).toHaveLength(3);
  await alice.to(bob).cancel(clientMessageId);
  proxy.goOnline();
  await alice.client.signOut();
  expect(await store.list("")).toEqual(emptied);
  // As a tab does that was about to, and has not learned yet that its session is over.
  await store.commit(late);
  await using carol = await TestUser.open({ url, store });
  await carol.to(bob).send("mine");
  await bob.untilReceived(1);
  expect(bob.texts).toEqual(["mine"]);
  await carol.untilShows(carol.to(bob), ["mine"]);
  expect(await store.get(`sent/${clientMessageId}`)).toBeUndefined();
});
