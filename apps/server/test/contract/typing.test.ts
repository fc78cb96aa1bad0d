import { afterAll, describe, expect, test } from "vitest";
import { act, newGroup, newMembers } from "../groups.ts";
import type { RestAnswer } from "../rest-client.ts";
import { requireRedisUrl, startTestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";
import { unknownId } from "./contract-routes.ts";
import { outcome, placesOf, rest } from "./described-rest.ts";
import { newPair, newPerson, sendAll, type DevicePerson } from "./people.ts";

// Two processes' worth of server, joined by Redis.
const env = { REDIS_URL: requireRedisUrl() };
const server = await startTestServer({ env });
const other = await startTestServer({ env, database: server.database });
afterAll(async () => {
  await other[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const type = (by: DevicePerson, body: object, url = server.url): Promise<RestAnswer> =>
  rest(url, "POST /messages/typing", { token: by.token, body });

async function connect(url: string, person: DevicePerson, resume = false): Promise<WsClient> {
  const socket = await WsClient.connect(url, { token: person.token, resume });
  if (resume) await socket.next("caught_up");
  return socket;
}

/** A message comes after whatever was told before it. */
async function settle(from: DevicePerson, to: DevicePerson, socket: WsClient): Promise<void> {
  const known = socket.ofType("message").length;
  await sendAll(server.url, from, to, ["settle"]);
  await socket.until("a message", () => socket.ofType("message").length > known);
}

describe("POST /messages/typing", () => {
  test("reaches the peer's sockets on every server, without a number, and no others", async () => {
    const [ada, bob] = await newPair(server.url);
    await using near = await connect(server.url, bob);
    await using far = await connect(other.url, bob, true);
    await using own = await connect(server.url, ada, true);
    expect((await type(ada, { peer_user_id: bob.id })).body).toEqual({ detail: "ok" });
    await type(ada, { peer_user_id: bob.id, is_typing: false });
    for (const socket of [near, far]) {
      await socket.until("two signals", () => socket.ofType("typing").length === 2);
      expect(socket.ofType("typing")).toEqual([
        { type: "typing", from: ada.id, is_typing: true },
        { type: "typing", from: ada.id, is_typing: false },
      ]);
    }
    await settle(ada, bob, own);
    expect(own.ofType("typing")).toEqual([]);
  });

  test("names the conversation that the sender named", async () => {
    const [ada, bob] = await newPair(server.url);
    const [message] = await sendAll(server.url, ada, bob, ["a"]);
    const id = String(message?.["conversation_id"]);
    await using socket = await connect(other.url, ada);
    expect((await type(bob, { conversation_id: id, peer_user_id: null })).body).toEqual({ detail: "ok" });
    expect(await socket.next("typing")).toEqual({
      type: "typing",
      from: bob.id,
      is_typing: true,
      conversation_id: id,
    });
  });

  test("is not kept: who connects later is not told", async () => {
    const [ada, bob] = await newPair(server.url);
    await type(ada, { peer_user_id: bob.id });
    await using socket = await connect(server.url, bob, true);
    await settle(ada, bob, socket);
    expect(socket.ofType("typing")).toEqual([]);
  });

  test("passes no block either way, and says ok", async () => {
    const [ada, bob] = await newPair(server.url);
    const [message] = await sendAll(server.url, ada, bob, ["a"]);
    const target = { conversation_id: message?.["conversation_id"] };
    await using adas = await connect(server.url, ada);
    await using bobs = await connect(server.url, bob);
    await rest(server.url, `POST /blocks?blocked_user_id=${bob.id}`, { token: ada.token });
    for (const [by, of] of [
      [ada, bob],
      [bob, ada],
    ] as const) {
      expect((await type(by, { peer_user_id: of.id })).body).toEqual({ detail: "ok" });
      expect((await type(by, target)).body).toEqual({ detail: "ok" });
    }
    await rest(server.url, `DELETE /blocks?blocked_user_id=${bob.id}`, { token: ada.token });
    await settle(ada, bob, bobs);
    await settle(bob, ada, adas);
    expect([...adas.ofType("typing"), ...bobs.ofType("typing")]).toEqual([]);
  });

  test("in a group reaches the present members, and passes no block there either", async () => {
    const [owner, reader, blocked, blocker, former] = await newMembers(server.url, 5);
    if (!owner || !reader || !blocked || !blocker || !former) throw new Error("five were asked for");
    const group = await newGroup(server.url, owner, [reader, blocked, blocker, former]);
    await act(server.url, owner, `DELETE /groups/${group}/members/${former.id}`);
    await act(server.url, owner, `POST /blocks?blocked_user_id=${blocked.id}`);
    await act(server.url, blocker, `POST /blocks?blocked_user_id=${owner.id}`);
    await using hears = await connect(other.url, reader);
    await using own = await connect(server.url, owner);
    const others = [await connect(server.url, blocked), await connect(other.url, blocker)];
    const gone = await connect(server.url, former);
    expect((await type(owner, { conversation_id: group })).body).toEqual({ detail: "ok" });
    expect(await hears.next("typing")).toEqual({
      type: "typing",
      from: owner.id,
      is_typing: true,
      conversation_id: group,
    });
    // A message comes after whatever was told before it, and a group's messages pass blocks.
    const body = { conversation_id: group, sender_device_id: "phone", ciphertext: "c" };
    await act(server.url, owner, "POST /messages/send_group", body);
    for (const socket of [hears, ...others]) await socket.next("message");
    await settle(reader, former, gone);
    for (const socket of [own, gone, ...others]) {
      expect(socket.ofType("typing")).toEqual([]);
      await socket[Symbol.asyncDispose]();
    }
    expect(outcome(await type(former, { conversation_id: group }))).toEqual({
      status: 404,
      detail: "Conversation not found",
    });
  });

  test("refuses nobody and a conversation that is not the caller's", async () => {
    const [ada, bob] = await newPair(server.url);
    const eve = await newPerson(server.url);
    const [message] = await sendAll(server.url, ada, bob, ["a"]);
    expect(outcome(await type(eve, { peer_user_id: unknownId }))).toEqual({
      status: 404,
      detail: "User not found",
    });
    for (const conversation_id of [unknownId, message?.["conversation_id"]]) {
      expect(outcome(await type(eve, { conversation_id }))).toEqual({
        status: 404,
        detail: "Conversation not found",
      });
    }
    expect((await type(eve, { peer_user_id: eve.id })).body).toEqual({ detail: "ok" });
  });

  test("names exactly one of the two", async () => {
    const [ada, bob] = await newPair(server.url);
    const both = { peer_user_id: bob.id, conversation_id: unknownId };
    for (const body of [{}, both, { peer_user_id: null }, { is_typing: true }]) {
      expect(placesOf(await type(ada, body))).toEqual(["body.peer_user_id"]);
    }
    for (const body of [{ peer_user_id: "bob" }, { peer_user_id: bob.id, is_typing: "perhaps" }]) {
      expect((await type(ada, body)).status).toBe(422);
    }
  });
});
