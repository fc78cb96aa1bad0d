import type { Me } from "@sotto/sdk";
import { expect, test } from "vitest";
import { openPage } from "../../../../packages/sdk/test/browser/open-page.ts";
import { randomPhone } from "../rest-client.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

/** As an argument in an expression. */
const text = (value: string): string => JSON.stringify(value);

test("a browser and a Node client write to each other; the browser goes on after a reload", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using node = await TestUser.open({ url });
  await using opened = await openPage('import { chat } from "./chat-page.ts"; globalThis.chat = chat;');
  const { page, complaints } = opened;
  const inPage = <T>(expression: string): Promise<T> => page.evaluate<T>(expression);

  expect(await inPage(`chat.open(${text(url)})`)).toBeNull();
  const me = await inPage<Me>(`chat.signIn(${text(randomPhone())})`);
  await inPage("chat.start()");
  await inPage(`chat.send(${text(node.userId)}, "from the browser 🌊")`);
  await node.untilReceived(1);
  expect(node.texts).toEqual(["from the browser 🌊"]);
  await node.client.conversations.with(me.userId).send("from Node");
  expect(await inPage(`chat.untilReceived("from Node")`)).toEqual(["from Node"]);

  // Without a word to the client, as when a tab is closed.
  await page.reload();
  await node.client.conversations.with(me.userId).send("while it was away");
  expect(await inPage(`chat.open(${text(url)})`)).toEqual(me);
  await inPage("chat.start()");
  await inPage(`chat.send(${text(node.userId)}, "back")`);
  await node.untilReceived(2);
  expect(node.texts.at(-1)).toBe("back");
  const shown = await inPage<string[]>(`chat.untilReceived("while it was away")`);
  // The last one before a crash may come twice.
  expect(shown.filter((one) => one !== "from Node")).toEqual(["while it was away"]);
  await inPage("chat.close()");
  // An answer of 404 is one: the client asks whether a new conversation is a group.
  expect(complaints.filter((complaint) => !complaint.includes("status of 404"))).toEqual([]);
}, 60_000);
