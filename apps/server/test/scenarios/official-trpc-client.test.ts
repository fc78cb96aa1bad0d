import {
  createTRPCClient,
  createWSClient,
  httpBatchLink,
  splitLink,
  TRPCClientError,
  wsLink,
} from "@trpc/client";
import type { ContractRouter, SyncEvent } from "@sotto/schema";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { rest, sendTo, signInWithDevice } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";

/** The official client, as any application could set it up from the contract's type alone. */
function connect(url: string, token: string) {
  const socket = createWSClient({
    url: `${url.replace("http", "ws")}/trpc`,
    WebSocket: WebSocket as unknown as typeof globalThis.WebSocket,
    connectionParams: { token },
    retryDelayMs: () => 20,
  });
  const client = createTRPCClient<ContractRouter>({
    links: [
      splitLink({
        condition: ({ type }) => type === "subscription",
        true: wsLink({ client: socket }),
        false: httpBatchLink({ url: `${url}/trpc`, headers: { authorization: `Bearer ${token}` } }),
      }),
    ],
  });
  const overSocket = createTRPCClient<ContractRouter>({ links: [wsLink({ client: socket })] });
  return { client, overSocket, [Symbol.asyncDispose]: () => socket.close() };
}

test("the same calls give the same answers over REST, tRPC over HTTP and tRPC over WebSocket", async () => {
  await using server = await startTestServer();
  const alice = await signInWithDevice(server.url, "a");
  const bob = await signInWithDevice(server.url, "b");
  await using api = connect(server.url, alice.token);
  const input = {
    recipientUserId: bob.id,
    senderDeviceId: "a",
    ciphertext: "hello",
    clientMessageId: "one",
  };
  const overHttp = await api.client.messages.send.mutate(input);
  const overSocket = await api.overSocket.messages.send.mutate(input);
  const overRest = await sendTo(
    server.url,
    { token: alice.token, deviceId: "a" },
    { to: bob.id, ciphertext: "hello", clientMessageId: "one" },
  );
  expect(overSocket).toEqual(overHttp);
  expect(overRest).toMatchObject({
    id: overHttp.id,
    conversation_id: overHttp.conversationId,
    sent_at: overHttp.sentAt,
  });
  expect(await api.client.keys.list.query({ userId: bob.id })).toMatchObject([{ deviceId: "b" }]);
  expect(await api.overSocket.messages.conversations.query()).toEqual(
    await api.client.messages.conversations.query(),
  );
});

test("a refusal carries its code and details, and nothing of an unknown error", async () => {
  await using server = await startTestServer();
  const alice = await signInWithDevice(server.url, "a");
  const bob = await signInWithDevice(server.url, "b");
  await using api = connect(server.url, alice.token);
  const refusal = await api.client.messages.send
    .mutate({ recipientUserId: bob.id, senderDeviceId: "a", ciphertext: "x", recipients: [] })
    .catch((error: unknown) => error);
  if (!(refusal instanceof TRPCClientError)) throw new Error("it was not refused");
  expect(refusal.data).toMatchObject({
    httpStatus: 409,
    sotto: { code: "DEVICE_LIST_STALE", details: { missing: [{ userId: bob.id, deviceId: "b" }] } },
  });
  const malformed = await api.overSocket.messages.history
    .query({ conversationId: "no id" })
    .catch((error: unknown) => error);
  expect(malformed).toMatchObject({ data: { sotto: { code: "VALIDATION_FAILED" } } });
});

test("the subscription resumes from the device's positions and goes on live", async () => {
  await using server = await startTestServer();
  const alice = await signInWithDevice(server.url, "a");
  const bob = await signInWithDevice(server.url, "b");
  const send = (ciphertext: string) =>
    sendTo(server.url, { token: alice.token, deviceId: "a" }, { to: bob.id, ciphertext });
  await send("first");
  await send("second");

  {
    await using api = connect(server.url, bob.token);
    const events = await collect(api, (got) => got.some(({ type }) => type === "caught_up"));
    expect(texts(events)).toEqual(["first", "second"]);
    const first = events.find((event) => event.type === "entry" && event.event.type === "message.created");
    if (first?.type !== "entry") throw new Error("no message came");
    await api.client.sync.ack.mutate({ positions: [{ log: first.log, seq: first.seq }] });
    expect(await api.client.sync.fill.query({ log: first.log, fromSeq: 2, toSeq: 2 })).toMatchObject({
      entries: [{ seq: 2, event: { message: { ciphertext: "second" } } }],
    });
  }
  await using again = connect(server.url, bob.token);
  const sendLater = setTimeout(() => void send("third"), 200);
  const events = await collect(again, (got) => texts(got).length === 2);
  clearTimeout(sendLater);
  expect(texts(events), "what was acknowledged does not come again").toEqual(["second", "third"]);

  const read = await rest(server.url, "GET /messages/inbox", { token: bob.token });
  expect(read.body["messages"], "an ack says delivered").toHaveLength(2);
});

function texts(events: SyncEvent[]): string[] {
  return events.flatMap((event) =>
    event.type === "entry" && event.event.type === "message.created" ? [event.event.message.ciphertext] : [],
  );
}

async function collect(
  api: ReturnType<typeof connect>,
  isDone: (events: SyncEvent[]) => boolean,
): Promise<SyncEvent[]> {
  const events: SyncEvent[] = [];
  await new Promise<void>((resolve, reject) => {
    const subscription = api.client.sync.subscribe.subscribe(undefined, {
      onData: (event) => {
        events.push(event);
        if (!isDone(events)) return;
        subscription.unsubscribe();
        resolve();
      },
      onError: reject,
    });
  });
  return events;
}
