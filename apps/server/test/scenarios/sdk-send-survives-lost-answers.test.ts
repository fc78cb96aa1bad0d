import { memoryStore, SottoError } from "@sotto/sdk";
import { expect, test } from "vitest";
import { Proxy } from "../proxy.ts";
import { refuseSend } from "../refuse-send.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

/** Its own log entry has come. */
function untilPlaced(alice: TestUser, bob: TestUser, clientMessageId: string): Promise<void> {
  const own = { senderUserId: alice.userId, clientMessageId };
  return alice.untilAsync("its place", async () => (await alice.to(bob).find(own))?.seq !== null);
}

/** Alice is refused "late", of which a duplicate is stored after that. */
async function sendRefusedAndStored(given: {
  proxy: Proxy;
  alice: TestUser;
  bob: TestUser;
  clientMessageId: string;
}): Promise<void> {
  const { proxy, alice, bob, clientMessageId } = given;
  const held = await refuseSend(proxy, () => alice.to(bob).send("late", { clientMessageId }));
  const before = bob.received.length;
  held.deliverLate();
  await bob.untilReceived(before + 1);
}

test("a send whose answer was lost is repeated, and arrives once", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: proxy.url });
  await using bob = await TestUser.open({ url: server.url });
  const lost = proxy.loseAnswerTo("/trpc/messages.send");
  const sent = await alice.to(bob).send("once");
  await lost;
  await alice.to(bob).send("then");
  await bob.untilReceived(2);
  expect(bob.texts).toEqual(["once", "then"]);
  expect(bob.received[0]).toMatchObject({ id: sent.id, clientMessageId: sent.clientMessageId });
});

test("a new device between the lost answer and the retry changes nothing", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: proxy.url });
  await using bob = await TestUser.open({ url: server.url });
  await alice.to(bob).send("first");
  const lost = proxy.loseAnswerTo("/trpc/messages.send");
  const sending = alice.to(bob).send("once");
  await lost;
  proxy.goOffline();
  await using phone = await TestUser.open({ url: server.url, phone: bob.phone });
  proxy.goOnline();
  await sending;
  await alice.to(bob).send("last");
  await bob.untilReceived(3);
  await phone.until("the last one", () => phone.texts.at(-1) === "last");
  expect(bob.texts).toEqual(["first", "once", "last"]);
});

test("the same clientMessageId never makes a second message, nor another text", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open(server);
  await using bob = await TestUser.open(server);
  const clientMessageId = crypto.randomUUID();
  const [one, two] = await Promise.all([
    alice.to(bob).send("x", { clientMessageId }),
    alice.to(bob).send("x", { clientMessageId }),
  ]);
  expect(await alice.to(bob).send("x", { clientMessageId })).toEqual(one);
  expect(two).toEqual(one);
  await expect(alice.to(bob).send("y", { clientMessageId })).rejects.toMatchObject({
    code: "CLIENT_MESSAGE_ID_REUSED",
  });
  await alice.to(bob).send("z");
  await bob.untilReceived(2);
  expect(bob.texts).toEqual(["x", "z"]);
});

test("whoever asks again for a message that is refused, and yet stored, learns that it is stored", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using bob = await TestUser.open({ url: server.url });
  const store = memoryStore();
  const clientMessageId = crypto.randomUUID();
  {
    await using alice = await TestUser.open({ url: proxy.url, store });
    const held = proxy.holdRequestTo("/trpc/conversations.open");
    const sending = alice.to(bob).send("once", { clientMessageId });
    sending.catch(() => {});
    await held.arrived;
    await alice.client.close();
    await expect(sending).rejects.toMatchObject({ code: "CLOSED" });
  }
  // It is sent on before anybody asks for it.
  const held = proxy.holdRequestTo("/trpc/messages.send");
  await using alice = await TestUser.open({ url: proxy.url, store });
  await held.arrived;
  const sending = alice.to(bob).send("once", { clientMessageId });
  const isQueued = alice.client.events("outbox")[Symbol.asyncIterator]().next();
  await isQueued;
  held.release();
  await bob.untilReceived(1);
  await untilPlaced(alice, bob, clientMessageId);
  held.refuse(403, "YOU_ARE_BLOCKED");
  expect(await sending).toMatchObject({ clientMessageId, id: bob.received[0]?.id });
  await alice.to(bob).send("then");
  await bob.untilReceived(2);
  expect(bob.texts).toEqual(["once", "then"]);
});

test("what is sent between a message's log entry and its late answer is sent too", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: proxy.url });
  await using bob = await TestUser.open({ url: server.url });
  await alice.untilCaughtUp();
  const held = proxy.holdRequestTo("/trpc/messages.send");
  const clientMessageId = crypto.randomUUID();
  const first = alice.to(bob).send("first", { clientMessageId });
  await held.arrived;
  held.release();
  await bob.untilReceived(1);
  await untilPlaced(alice, bob, clientMessageId);
  const second = alice.to(bob).send("second");
  await alice.untilShows(alice.to(bob), ["first", "second"]);
  await held.giveAnswer();
  expect(await first).toMatchObject({ clientMessageId, id: bob.received[0]?.id });
  await second;
  await bob.untilReceived(2);
  expect(bob.texts).toEqual(["first", "second"]);
  await alice.untilShows(alice.to(bob), ["first", "second"]);
});

test("a request that was refused, and yet stored, stands: what was sealed anew is not needed", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  // Otherwise its log entry would tell.
  await using alice = await TestUser.open({ url: proxy.url, isStarted: false });
  await using bob = await TestUser.open({ url: server.url });
  const held = proxy.holdRequestTo("/trpc/messages.send");
  const sending = alice.to(bob).send("once");
  await held.arrived;
  held.release();
  await bob.untilReceived(1);
  held.refuse(409, "DEVICE_LIST_STALE", { missing: [], extra: [], outdated: [] });
  expect(await sending).toMatchObject({ id: bob.received[0]?.id });
  await alice.to(bob).send("then");
  await bob.untilReceived(2);
  expect(bob.texts).toEqual(["once", "then"]);
});

test("a duplicate that comes after the refusal is this device's message all the same", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: proxy.url });
  await using bob = await TestUser.open({ url: server.url });
  await alice.untilCaughtUp();
  const clientMessageId = crypto.randomUUID();
  await sendRefusedAndStored({ proxy, alice, bob, clientMessageId });
  await alice.untilShows(alice.to(bob), ["late"]);
  expect(await alice.to(bob).send("late", { clientMessageId })).toMatchObject({ id: bob.received[0]?.id });
  // Under a number of its own.
  await alice.to(bob).send("then");
  await bob.untilReceived(2);
  expect(bob.texts).toEqual(["late", "then"]);
});

test("what was refused is sealed anew when it is sent again, and the first one stands if it was stored", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: proxy.url, isStarted: false });
  await using bob = await TestUser.open({ url: server.url });
  const clientMessageId = crypto.randomUUID();
  await sendRefusedAndStored({ proxy, alice, bob, clientMessageId });
  expect(await alice.to(bob).send("late", { clientMessageId })).toMatchObject({ id: bob.received[0]?.id });
  expect(bob.texts).toEqual(["late"]);
});

test("a duplicate that comes after the next message takes nothing from that one", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: proxy.url });
  await using bob = await TestUser.open({ url: server.url });
  await alice.to(bob).send("1");
  const clientMessageId = crypto.randomUUID();
  const held = await refuseSend(proxy, () => alice.to(bob).send("late", { clientMessageId }));
  await bob.client.stop();
  await alice.to(bob).send("2");
  held.deliverLate();
  await untilPlaced(alice, bob, clientMessageId);
  await alice.to(bob).send("3");
  await bob.start();
  await bob.untilReceived(4);
  expect(bob.texts).toEqual(["1", "2", "late", "3"]);
  expect(await bob.to(alice).withheld()).toEqual([]);
});

test("the first one stands also after a restart in which the second one was on its way", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using bob = await TestUser.open({ url: server.url });
  const store = memoryStore();
  const clientMessageId = crypto.randomUUID();
  {
    await using alice = await TestUser.open({ url: proxy.url, store, isStarted: false });
    await alice.to(bob).send("1");
    await bob.untilReceived(1);
    await sendRefusedAndStored({ proxy, alice, bob, clientMessageId });
    const second = proxy.holdRequestTo("/trpc/messages.send");
    alice
      .to(bob)
      .send("late", { clientMessageId })
      .catch(() => {});
    await second.arrived;
  }
  await using alice = await TestUser.open({ url: proxy.url, store, isStarted: false });
  expect(await alice.to(bob).send("late", { clientMessageId })).toMatchObject({ id: bob.received[1]?.id });
  await alice.to(bob).send("3");
  await bob.untilReceived(3);
  expect(bob.texts).toEqual(["1", "late", "3"]);
  expect(await bob.to(alice).withheld()).toEqual([]);
});

test("of a message that was refused twice, the first one may be stored yet", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: proxy.url });
  await using bob = await TestUser.open({ url: server.url });
  await alice.to(bob).send("1");
  const clientMessageId = crypto.randomUUID();
  const send = () => alice.to(bob).send("late", { clientMessageId });
  const first = await refuseSend(proxy, send);
  await refuseSend(proxy, send);
  const failed = await alice.to(bob).find({ senderUserId: alice.userId, clientMessageId });
  expect(failed).toMatchObject({ state: "failed", kem: "x-wing", conversationId: expect.any(String) });
  first.deliverLate();
  await untilPlaced(alice, bob, clientMessageId);
  await alice.to(bob).send("3");
  await bob.untilReceived(3);
  expect(bob.texts).toEqual(["1", "late", "3"]);
  expect(await bob.to(alice).withheld()).toEqual([]);
});

test("a number that stays unused, as the first one stands after all, is not missed", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: proxy.url, isStarted: false });
  await using bob = await TestUser.open({ url: server.url });
  await alice.to(bob).send("1");
  await bob.untilReceived(1);
  const clientMessageId = crypto.randomUUID();
  await sendRefusedAndStored({ proxy, alice, bob, clientMessageId });
  await alice.to(bob).send("late", { clientMessageId });
  await alice.to(bob).send("3");
  await bob.untilReceived(3);
  expect(bob.texts).toEqual(["1", "late", "3"]);
  expect(await bob.to(alice).withheld()).toEqual([]);
});

test("an aborted send is not sent on, until it is asked for again", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: proxy.url });
  await using bob = await TestUser.open({ url: server.url });
  await alice.to(bob).send("1");
  proxy.goOffline();
  const abort = new AbortController();
  const clientMessageId = crypto.randomUUID();
  const sending = alice.to(bob).send("2", { clientMessageId, signal: abort.signal });
  const behind = alice.to(bob).send("3");
  abort.abort();
  await expect(sending).rejects.toMatchObject({ code: "ABORTED" });
  proxy.goOnline();
  await behind;
  await alice.to(bob).send("2", { clientMessageId });
  await bob.untilReceived(3);
  expect(bob.texts).toEqual(["1", "3", "2"]);
});

test("what cannot be sent says why, and does not hold up what follows", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open(server);
  await using bob = await TestUser.open(server);
  const nobody = alice.client.conversations.with(crypto.randomUUID()).send("x");
  await expect(nobody).rejects.toBeInstanceOf(SottoError);
  const [tooLarge, fine] = await Promise.allSettled([
    alice.to(bob).send("x".repeat(300_000)),
    alice.to(bob).send("fine"),
  ]);
  expect(tooLarge).toMatchObject({ reason: { code: "PAYLOAD_TOO_LARGE" } });
  expect(fine.status).toBe("fulfilled");
  await expect(alice.to(bob).send("\ud800")).rejects.toMatchObject({ code: "INVALID_INPUT" });
});

test("a send that is aborted while others are before it is not sent after a restart either", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  const store = memoryStore();
  await using bob = await TestUser.open({ url: server.url });
  const alice = await TestUser.open({ url: proxy.url, store });
  await alice.to(bob).send("1");
  proxy.goOffline();
  const first = alice.to(bob).send("2");
  first.catch(() => {});
  const abort = new AbortController();
  const clientMessageId = crypto.randomUUID();
  const queued = alice.event("outbox", (event) => event.clientMessageId === clientMessageId);
  const behind = alice.to(bob).send("not any more", { clientMessageId, signal: abort.signal });
  expect(await queued).toMatchObject({ state: "queued" });
  abort.abort();
  await expect(behind).rejects.toMatchObject({ code: "ABORTED" });
  await alice[Symbol.asyncDispose]();

  proxy.goOnline();
  await using again = await TestUser.open({ url: proxy.url, store });
  await again.to(bob).send("3");
  await bob.untilReceived(3);
  expect(bob.texts).toEqual(["1", "2", "3"]);
  const { messages } = await again.to(bob).messages();
  expect(messages.filter(({ state }) => state === "failed")).toMatchObject([
    { content: { text: "not any more" } },
  ]);
});
