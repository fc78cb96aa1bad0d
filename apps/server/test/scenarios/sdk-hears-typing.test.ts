import { expect, test } from "vitest";
import { rest, sendTo, signInWithDevice } from "../rest-client.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

test("the SDK tells the application of typing, and its stream goes on", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using bob = await TestUser.open({ url });
  await bob.untilCaughtUp();
  const ada = await signInWithDevice(url, "a");
  const type = (body: object) =>
    rest(url, "POST /messages/typing", { token: ada.token, body: { peer_user_id: bob.userId, ...body } });

  const begins = bob.event("typing");
  await type({});
  expect(await begins).toEqual({ userId: ada.id, isTyping: true, conversationId: null });
  const sent = await sendTo(url, { token: ada.token, deviceId: "a" }, { to: bob.userId, ciphertext: "c" });
  await bob.untilReceived(1);
  const ends = bob.event("typing");
  await type({ peer_user_id: null, conversation_id: sent["conversation_id"], is_typing: false });
  expect(await ends).toEqual({ userId: ada.id, isTyping: false, conversationId: sent["conversation_id"] });
  expect(bob.received).toHaveLength(1);
});
