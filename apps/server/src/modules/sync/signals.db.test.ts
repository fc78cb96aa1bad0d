import type { ConversationId, Signal } from "@sotto/schema";
import { expect, test } from "vitest";
import { signIn } from "../../../test/rest-client.ts";
import { startTestServer } from "../../../test/test-server.ts";
import { authenticate } from "../accounts/authenticate.ts";
import type { FeedEvent } from "./feed.ts";
import { SocketFeed } from "./subscribe.service.ts";

test("a signal is left out for a socket with a backlog, and comes again once it is read", async () => {
  await using server = await startTestServer();
  const { app } = server;
  const { token } = await signIn(server.url);
  const caller = await authenticate(app, token);
  let bufferedBytes = 0;
  const delivered: FeedEvent[] = [];
  const socket = { connectionId: "1", bufferedBytes: () => bufferedBytes, close: () => {} };
  app.hub.add({ ...socket, caller });
  const writer = { write: (event: FeedEvent) => void delivered.push(event) };
  using feed = new SocketFeed(app, { reader: caller, socket, resume: false, writer });
  await feed.start();
  const tell = (isTyping: boolean): void => {
    const signal: Signal = {
      type: "typing",
      from: caller.userId,
      isTyping,
      conversationId: app.newId<ConversationId>(),
    };
    app.bus.publish({ kind: "signal", signal, audience: [caller.userId] });
  };
  const seen = (): unknown[] =>
    delivered.map((event) => (event.type === "typing" ? event.isTyping : event.type));

  tell(true);
  bufferedBytes = 262_145;
  tell(false);
  expect(seen()).toEqual([true]);
  bufferedBytes = 262_144;
  tell(false);
  expect(seen()).toEqual([true, false]);
  feed[Symbol.dispose]();
  tell(true);
  expect(seen()).toEqual([true, false]);
  app.hub.remove(socket.connectionId);
});
