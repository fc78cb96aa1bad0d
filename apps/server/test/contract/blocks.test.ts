import { afterAll, describe, expect, test } from "vitest";
import { type Json, type RestAnswer } from "../rest-client.ts";
import { runSql } from "../sql.ts";
import { startTestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";
import { unknownId } from "./contract-routes.ts";
import { fieldList, listOf, outcome, placesOf, rest } from "./described-rest.ts";
import { newPair, newPerson, type DevicePerson } from "./people.ts";
import { aTime } from "./shapes.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());

const ok = { detail: "ok" };
const block = (by: DevicePerson, id: string): Promise<RestAnswer> =>
  rest(server.url, `POST /blocks?blocked_user_id=${id}`, { token: by.token });
const unblock = (by: DevicePerson, id: string): Promise<RestAnswer> =>
  rest(server.url, `DELETE /blocks?blocked_user_id=${id}`, { token: by.token });
const blocksOf = async (person: DevicePerson): Promise<Json[]> =>
  listOf(await rest(server.url, "GET /blocks", { token: person.token }));
const send = (from: DevicePerson, to: { id: string }, body: object = {}): Promise<RestAnswer> =>
  rest(server.url, "POST /messages/send", {
    token: from.token,
    body: { recipient_user_id: to.id, sender_device_id: "phone", ciphertext: "c", ...body },
  });
const inboxOf = async (person: DevicePerson): Promise<Json[]> =>
  fieldList(await rest(server.url, "GET /messages/inbox", { token: person.token }), "messages");

const iBlocked = { status: 403, detail: "Recipient blocked" };
const amBlocked = { status: 403, detail: "You are blocked" };

describe("/blocks", () => {
  test("are made once, listed in order, and taken back", async () => {
    const [ada, bob] = await newPair(server.url);
    const eve = await newPerson(server.url);
    for (const id of [bob.id, eve.id, bob.id]) expect((await block(ada, id)).body).toEqual(ok);
    expect(await blocksOf(ada)).toEqual([
      { blocked_user_id: bob.id, created_at: aTime },
      { blocked_user_id: eve.id, created_at: aTime },
    ]);
    expect(await blocksOf(bob)).toEqual([]);
    for (let i = 0; i < 2; i++) expect((await unblock(ada, bob.id)).body).toEqual(ok);
    expect(await blocksOf(ada)).toMatchObject([{ blocked_user_id: eve.id }]);
  });

  test("take the id from the body too", async () => {
    const [ada, bob] = await newPair(server.url);
    const options = { token: ada.token, body: { blocked_user_id: bob.id } };
    expect((await rest(server.url, "POST /blocks", options)).body).toEqual(ok);
    expect(await blocksOf(ada)).toHaveLength(1);
    expect((await rest(server.url, "DELETE /blocks", options)).body).toEqual(ok);
    expect(await blocksOf(ada)).toEqual([]);
  });

  test("refuse oneself, nobody and what is no id", async () => {
    const ada = await newPerson(server.url);
    expect(outcome(await block(ada, ada.id))).toEqual({ status: 400, detail: "Cannot block self" });
    expect(outcome(await block(ada, unknownId))).toEqual({ status: 404, detail: "User not found" });
    for (const id of [ada.id, unknownId]) expect((await unblock(ada, id)).body).toEqual(ok);
    for (const id of ["", "bob", unknownId.toUpperCase().replaceAll("9", "A")]) {
      expect(placesOf(await block(ada, id))).toEqual(["query.blocked_user_id"]);
      expect(placesOf(await unblock(ada, id))).toEqual(["query.blocked_user_id"]);
    }
  });

  test("a user has at most 10,000, all in one list", async () => {
    const [ada, bob] = await newPair(server.url);
    await runSql(
      server.database.url,
      `insert into blocks (user_id, blocked_user_id, created_at)
       select '${ada.id}', gen_random_uuid(), now() from generate_series(1, 10000)`,
    );
    expect(outcome(await block(ada, bob.id))).toEqual({ status: 409, detail: "Too many blocks" });
    const blocks = await blocksOf(ada);
    expect(blocks).toHaveLength(10_000);
    await unblock(ada, String(blocks[0]?.["blocked_user_id"]));
    expect((await block(ada, bob.id)).status).toBe(200);
  });

  test("are told to the user's own devices and to nobody else", async () => {
    const [ada, bob] = await newPair(server.url);
    await using mine = await WsClient.connect(server.url, { token: ada.token, resume: true });
    await using theirs = await WsClient.connect(server.url, { token: bob.token, resume: true });
    for (const socket of [mine, theirs]) await socket.next("caught_up");
    for (const change of [block, block, unblock, unblock]) await change(ada, bob.id);
    await send(ada, bob);
    for (const socket of [mine, theirs]) await socket.next("message");
    expect(mine.ofType("block")).toMatchObject([
      { action: "added", user_id: bob.id, log: ada.id },
      { action: "removed", user_id: bob.id, log: ada.id },
    ]);
    expect(theirs.ofType("block")).toEqual([]);
  });
});

describe("a block", () => {
  test("stops sends both ways, and says who blocked", async () => {
    const [ada, bob] = await newPair(server.url);
    await send(ada, bob);
    await block(ada, bob.id);
    expect(outcome(await send(ada, bob))).toEqual(iBlocked);
    expect(outcome(await send(bob, ada))).toEqual(amBlocked);
    await block(bob, ada.id);
    expect(outcome(await send(ada, bob))).toEqual(iBlocked);
    await unblock(ada, bob.id);
    expect(outcome(await send(ada, bob))).toEqual(amBlocked);
    expect(outcome(await send(bob, ada))).toEqual(iBlocked);
    await unblock(bob, ada.id);
    expect((await send(bob, ada)).status).toBe(200);
    expect([(await inboxOf(ada)).length, (await inboxOf(bob)).length]).toEqual([1, 1]);
  });

  test("made before there is a conversation holds in the one that is made", async () => {
    const [ada, bob] = await newPair(server.url);
    await block(ada, bob.id);
    expect(outcome(await send(bob, ada))).toEqual(amBlocked);
    const opened = await rest(server.url, "POST /conversations/direct", {
      token: bob.token,
      body: { peer_user_id: ada.id },
    });
    expect(opened.status).toBe(200);
    expect(outcome(await send(bob, ada))).toEqual(amBlocked);
    expect(outcome(await send(ada, bob))).toEqual(iBlocked);
    await unblock(ada, bob.id);
    expect((await send(bob, ada)).body["conversation_id"]).toBe(opened.body["id"]);
  });

  test("leaves others alone", async () => {
    const [ada, bob] = await newPair(server.url);
    const eve = await newPerson(server.url);
    await block(ada, bob.id);
    for (const [from, to] of [
      [ada, eve],
      [eve, ada],
      [bob, eve],
      [eve, bob],
    ] as const) {
      expect((await send(from, to)).status).toBe(200);
    }
  });

  test("leaves the first answer to a repeated send as it is", async () => {
    const [ada, bob] = await newPair(server.url);
    const first = await send(ada, bob, { client_message_id: "m-1" });
    await block(bob, ada.id);
    const again = await send(ada, bob, { client_message_id: "m-1" });
    expect({ status: again.status, body: again.body }).toEqual({ status: 200, body: first.body });
    expect(outcome(await send(ada, bob, { client_message_id: "m-1", ciphertext: "other" }))).toEqual({
      status: 409,
      detail: "client_message_id was used for another message",
    });
    expect(outcome(await send(ada, bob, { client_message_id: "m-2" }))).toEqual(amBlocked);
    expect(await inboxOf(bob)).toHaveLength(1);
  });

  test("hides presence both ways", async () => {
    const [ada, bob] = await newPair(server.url);
    for (const { token } of [ada, bob]) await rest(server.url, "POST /presence/ping", { token });
    const see = async (by: DevicePerson, of: DevicePerson): Promise<Json> =>
      (await rest(server.url, `GET /presence/${of.id}`, { token: by.token })).body;
    await using _socket = await WsClient.connect(server.url, { token: bob.token });
    expect(await see(ada, bob)).toEqual({ user_id: bob.id, online: true, last_seen: aTime });
    await block(bob, ada.id);
    expect(await see(ada, bob)).toEqual({ user_id: bob.id, online: false, last_seen: null });
    expect(await see(bob, ada)).toEqual({ user_id: ada.id, online: false, last_seen: null });
    expect(await see(bob, bob)).toMatchObject({ online: true, last_seen: aTime });
    await unblock(bob, ada.id);
    expect(await see(ada, bob)).toMatchObject({ online: true });
  });
});
