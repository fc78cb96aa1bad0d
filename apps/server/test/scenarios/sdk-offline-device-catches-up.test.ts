import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileStore } from "@sotto/sdk/node";
import { afterAll, expect, test } from "vitest";
import { Proxy } from "../proxy.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

const folder = mkdtempSync(join(tmpdir(), "sotto-sdk-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const key = new Uint8Array(32);

test("a device that was away goes on where its file store stood", async () => {
  await using server = await startTestServer();
  const { url } = server;
  const path = join(folder, "bob.sotto");
  await using alice = await TestUser.open({ url });
  const first = await TestUser.open({ url, store: await fileStore(path, { key }) });
  const bob = first.me;
  const conversation = alice.client.conversations.with(bob.userId);
  await conversation.send("1");
  await first.untilReceived(1);
  await first[Symbol.asyncDispose]();

  for (const text of ["2", "3", "4"]) await conversation.send(text);
  await using again = await TestUser.open({ url, store: await fileStore(path, { key }) });
  expect(again.me).toEqual(bob);
  await again.untilReceived(3);
  await conversation.send("5");
  await again.untilReceived(4);
  expect(again.texts).toEqual(["2", "3", "4", "5"]);
});

test("a message that was received and not consumed comes again after a restart", async () => {
  await using server = await startTestServer();
  const { url } = server;
  const path = join(folder, "carol.sotto");
  await using alice = await TestUser.open({ url });
  const first = await TestUser.open({ url, store: await fileStore(path, { key }), isStarted: false });
  const conversation = alice.client.conversations.with(first.userId);
  await conversation.send("1");
  await conversation.send("2");
  await first.client.start();
  for await (const message of first.client.messages())
    if (message.kind === "text" && message.text === "2") break;
  await first.client.close();

  await using again = await TestUser.open({ url, store: await fileStore(path, { key }) });
  await conversation.send("3");
  await again.untilReceived(2);
  expect(again.texts).toEqual(["2", "3"]);
});

test("a message sent while offline goes out when the server is back, also after a restart", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  const path = join(folder, "dave.sotto");
  await using bob = await TestUser.open({ url: server.url });
  const first = await TestUser.open({ url: proxy.url, store: await fileStore(path, { key }) });
  await first.untilCaughtUp();
  const conversation = first.client.conversations.with(bob.userId);
  await conversation.send("before");
  proxy.goOffline();
  const unsent = [conversation.send("a"), conversation.send("b")].map((sending) =>
    sending.catch((error: unknown) => error),
  );
  await first.until("offline", () => first.client.status.state === "offline");
  await first[Symbol.asyncDispose]();
  expect(await Promise.all(unsent)).toMatchObject([{ code: "CLOSED" }, { code: "CLOSED" }]);

  await using again = await TestUser.open({ url: proxy.url, store: await fileStore(path, { key }) });
  const sentOn = again.event("outbox", (event) => event.state === "sent");
  proxy.goOnline();
  await sentOn;
  await again.client.conversations.with(bob.userId).send("c");
  await bob.untilReceived(4);
  expect(bob.texts).toEqual(["before", "a", "b", "c"]);
});
