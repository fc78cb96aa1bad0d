import { memoryStore } from "@sotto/sdk";
import { expect, test } from "vitest";
import { Proxy } from "../proxy.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { randomPhone, rest, signIn } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";

test("a device that is added between two sends gets the second one", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  // What no device of Bob has had delivered comes to a new one too, unreadable.
  const delivered = alice.event("receipt");
  await alice.to(bob).send("1");
  await delivered;
  await using bobPhone = await TestUser.open({ url, phone: bob.phone });
  await using alicePhone = await TestUser.open({ url, phone: alice.phone });
  const { unreachable } = await alice.to(bob).send("2");
  expect(unreachable).toEqual([]);
  await Promise.all([bob.untilReceived(2), bobPhone.untilReceived(1), alicePhone.untilReceived(1)]);
  expect(bobPhone.texts).toEqual(["2"]);
  const { messages, hasEarlier } = await bobPhone.to(alice).messages();
  expect(messages.map(({ content }) => content)).toMatchObject([
    { kind: "unreadable", reason: "not_for_this_device" },
    { kind: "text", text: "2" },
  ]);
  expect(hasEarlier).toBe(false);
});

test("a removed device stops, and gets nothing more", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  await using bobPhone = await TestUser.open({ url, phone: bob.phone });
  await alice.to(bob).send("1");
  await bobPhone.untilReceived(1);
  const changed = bob.event("deviceList", ({ change }) => change === "removed");
  await bob.client.devices.remove(bobPhone.me.deviceId);
  expect(await changed).toEqual({ change: "removed", deviceId: bobPhone.me.deviceId });
  await bobPhone.until("the end", () => bobPhone.client.status.state === "device_removed");
  expect(await bobPhone.reading).toMatchObject({ code: "DEVICE_REMOVED" });
  await alice.to(bob).send("2");
  await bob.untilReceived(2);
  expect(bobPhone.texts).toEqual(["1"]);
  await expect(bobPhone.to(alice).send("x")).rejects.toMatchObject({ code: "TOKEN_DEVICE_REMOVED" });

  // The same person may sign in again, with the same device; what was queued goes out.
  await bobPhone.signIn();
  await bobPhone.getApproved();
  await bobPhone.start();
  await alice.untilReceived(1);
  expect(alice.texts).toEqual(["x"]);
});

test("what a device sent before it was removed is verified by whoever meets it only afterwards", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url, isStarted: false });
  await using bob = await TestUser.open({ url });
  await using bobPhone = await TestUser.open({ url, phone: bob.phone });
  await using bobLaptop = await TestUser.open({ url, phone: bob.phone, isStarted: false });
  await bobPhone.to(alice).send("from the phone");
  await bob.client.devices.remove(bobPhone.me.deviceId);
  for (const reader of [alice, bobLaptop]) {
    await reader.start();
    await reader.untilReceived(1);
    expect(reader.received).toMatchObject([
      { kind: "text", text: "from the phone", senderDeviceId: bobPhone.me.deviceId, assurance: "signed" },
    ]);
  }
});

test("what a device sent before it was removed counts for nothing once its user has another identity", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url, isStarted: false });
  await using bob = await TestUser.open({ url });
  await using bobPhone = await TestUser.open({ url, phone: bob.phone });
  await bobPhone.to(alice).send("from a stolen phone");
  await bob.client.identity.reset();
  await alice.start();
  await alice.untilReceived(1);
  expect(alice.received).toMatchObject([{ kind: "unreadable", reason: "sender_unverified" }]);
});

test("who signs out is removed, and leaves an empty store", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  await alice.to(bob).send("1");
  await bob.untilReceived(1);
  const { deviceId } = bob.me;
  await bob.client.signOut();
  expect(bob.client.me).toBeNull();
  await expect(bob.client.start()).rejects.toMatchObject({ code: "NOT_SIGNED_IN" });
  await bob.signIn();
  expect(bob.me.deviceId).not.toBe(deviceId);
  expect(await bob.client.devices.list()).toMatchObject([{ isThisDevice: true, deviceName: "test" }]);
});

test("who signs out while a message is looked at has no more, and no error", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url, isStarted: false });
  await bob.client.start();
  await alice.to(bob).send("1");
  await alice.to(bob).send("2");
  const read: string[] = [];
  for await (const message of bob.client.messages()) {
    read.push(message.kind);
    await bob.client.signOut();
  }
  expect(read).toEqual(["text"]);
});

test("what comes to an end after the user has signed out leaves nothing in the store", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  const store = memoryStore();
  await using alice = await TestUser.open({ url: proxy.url, store });
  await using bob = await TestUser.open({ url: server.url });
  await alice.client.contacts.add(bob.phone);
  const held = proxy.holdRequestTo("/trpc/contacts.list");
  const listing = alice.client.contacts.list();
  await held.arrived;
  held.release();
  await alice.client.signOut();
  await Promise.all([held.giveAnswer(), expect(listing).rejects.toMatchObject({ code: "NOT_SIGNED_IN" })]);
  expect(await store.list("")).toHaveLength(1);
  await alice.signIn();
  expect(await alice.client.contacts.find(bob.phone)).toBeUndefined();
});

test("a stream that is opened elsewhere with the same device ends this one", async () => {
  await using server = await startTestServer();
  const { url } = server;
  const phone = randomPhone();
  const store = memoryStore();
  await using first = await TestUser.open({ url, phone, store });
  await first.untilCaughtUp();
  await using second = await TestUser.open({ url, phone, store });
  await first.until("replaced", () => first.client.status.state === "replaced");
  expect(await first.reading).toMatchObject({ code: "REPLACED" });
  await second.untilCaughtUp();
});

test("a third-party client's message comes as it is", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open(server);
  const { token } = await signIn(server.url);
  const body = {
    recipient_user_id: alice.userId,
    sender_device_id: "thirdparty",
    ciphertext: "anything at all",
  };
  const answer = await rest(server.url, "POST /messages/send", { token, body });
  expect(answer.status).toBe(200);
  await alice.untilReceived(1);
  expect(alice.received).toMatchObject([
    { kind: "opaque", ciphertext: "anything at all", senderDeviceId: "thirdparty", isOwn: false },
  ]);
});
