import { createHash, randomBytes } from "node:crypto";
import { encodeBase64url, encodeDeviceList, parseDeviceList, type DeviceListFields } from "@sotto/schema";
import { afterAll, describe, expect, test } from "vitest";
import { signIn, type RestAnswer } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";
import { unknownId } from "./contract-routes.ts";
import { outcome, placesOf, rest } from "./described-rest.ts";
import { newPerson, type DevicePerson } from "./people.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());
const { url } = server;

/** The server holds the chain only: keys and signatures may be anything. */
function makeList(userId: string, fields: Partial<DeviceListFields> = {}): string {
  return encodeDeviceList({
    userId,
    version: 1,
    prevHash: null,
    issuedSec: 1_790_000_000,
    uik: new Uint8Array(32).fill(1),
    devices: [{ deviceId: "phone", dik: new Uint8Array(32).fill(2), addedSec: 1_790_000_000 }],
    ...fields,
    signature: new Uint8Array(64).fill(3),
  });
}

const hashOf = (list: string) =>
  new Uint8Array(createHash("sha256").update(parseDeviceList(list).bytes).digest());
const after = (list: string, fields: Partial<DeviceListFields> = {}): string => {
  const { bytes: _, signature: __, ...parts } = parseDeviceList(list);
  return makeList(parts.userId, {
    ...parts,
    version: parts.version + 1,
    prevHash: hashOf(list),
    ...fields,
  });
};

const publish = ({ token }: { token: string }, list: unknown, more: object = {}): Promise<RestAnswer> =>
  rest(url, "POST /device_lists", { token, body: { list, ...more } });
const get = ({ token }: { token: string }, id: string, since?: number): Promise<RestAnswer> =>
  rest(url, `GET /device_lists/${id}${since === undefined ? "" : `?since_version=${since}`}`, { token });
const query = ({ token }: { token: string }, users: unknown): Promise<RestAnswer> =>
  rest(url, "POST /device_lists/query", { token, body: { users } });
const handoverOf = ({ token }: { token: string }) => rest(url, "GET /device_lists/me/handover", { token });

const conflict = (current_version: number) => ({
  status: 409,
  detail: { code: "device_list_conflict", current_version },
});
const refused = (field: string) => ({ status: 422, detail: { code: "device_list_refused", field } });

/** Publishes so many lists; gives them. */
async function publishChain(person: DevicePerson, length: number): Promise<string[]> {
  const lists = [makeList(person.id)];
  while (lists.length < length) lists.push(after(lists.at(-1) ?? ""));
  for (const list of lists) expect((await publish(person, list)).status).toBe(200);
  return lists;
}

describe("POST /device_lists", () => {
  test("appends the next list, and tells the user's devices", async () => {
    const ada = await newPerson(url);
    await using socket = await WsClient.connect(url, { token: ada.token, resume: true });
    await socket.next("caught_up");
    const first = makeList(ada.id);
    expect((await publish(ada, first)).body).toEqual({ version: 1 });
    expect((await publish(ada, after(first))).body).toEqual({ version: 2 });
    await socket.until("both", () => socket.frames.some(({ version }) => version === 2));
    expect(socket.frames.filter(({ action }) => action === "signed")).toEqual([
      { type: "device_list", action: "signed", version: 1, log: ada.id, seq: expect.any(Number) as unknown },
      { type: "device_list", action: "signed", version: 2, log: ada.id, seq: expect.any(Number) as unknown },
    ]);
  });

  test("the same bytes again change nothing, also when others came after them", async () => {
    const ada = await newPerson(url);
    const [first = "", second = ""] = await publishChain(ada, 2);
    for (const [list, version] of [
      [second, 2],
      [first, 1],
    ] as const) {
      expect((await publish(ada, list)).body).toEqual({ version });
    }
    expect((await get(ada, ada.id, 0)).body).toMatchObject({ current_version: 2 });
  });

  test("another list in the place of one that is there, a gap, and a wrong hash are conflicts", async () => {
    const ada = await newPerson(url);
    const [first = "", second = ""] = await publishChain(ada, 2);
    const wrong = [
      makeList(ada.id, { issuedSec: 7 }),
      after(first, { issuedSec: 7 }),
      after(second, { version: 4 }),
      after(second, { prevHash: hashOf(first) }),
      after(second, { prevHash: new Uint8Array(32) }),
    ];
    for (const list of wrong) expect(outcome(await publish(ada, list))).toEqual(conflict(2));
    const bob = await newPerson(url);
    const ahead = after(makeList(bob.id));
    expect(outcome(await publish(bob, ahead))).toEqual(conflict(0));
    expect((await get(ada, ada.id, 0)).body).toMatchObject({
      lists: [
        { version: 1, list: first },
        { version: 2, list: second },
      ],
    });
  });

  test("of lists that come at once one is next, the others are conflicts", async () => {
    const ada = await newPerson(url);
    const lists = Array.from({ length: 6 }, (_, i) => makeList(ada.id, { issuedSec: i }));
    const answers = await Promise.all(lists.map((list) => publish(ada, list)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const answer of answers.filter(({ status }) => status !== 200))
      expect(outcome(answer)).toEqual(conflict(1));
  });

  test("a list by another key goes on with the chain: clients judge it", async () => {
    const ada = await newPerson(url);
    const [first = ""] = await publishChain(ada, 1);
    expect((await publish(ada, after(first, { uik: new Uint8Array(32).fill(9) }))).status).toBe(200);
  });

  test("refuses what is no list, and another user's", async () => {
    const ada = await newPerson(url);
    const bytes = parseDeviceList(makeList(ada.id)).bytes;
    const twice = { deviceId: "d", dik: new Uint8Array(32), addedSec: 0 };
    const malformed = [
      "x",
      "====",
      "!",
      encodeBase64url(bytes.subarray(1)),
      encodeBase64url(Uint8Array.of(...bytes, 0)),
      encodeBase64url(randomBytes(200)),
      makeList(ada.id, { version: 0 }),
      makeList(ada.id, { version: 2 }),
      makeList(ada.id, { prevHash: new Uint8Array(32) }),
      makeList(ada.id, { uik: new Uint8Array(31) }),
      makeList(ada.id, { devices: [twice, twice] }),
      makeList(ada.id, {
        devices: Array.from({ length: 65 }, (_, i) => ({ ...twice, deviceId: `d${i}` })),
      }),
    ];
    for (const list of malformed)
      expect(outcome(await publish(ada, list)), list.slice(0, 40)).toEqual(refused("list"));
    expect(outcome(await publish(ada, makeList(unknownId)))).toEqual(refused("user_id"));
  });

  test.each([
    [{}, ["body.list"]],
    [{ list: "" }, ["body.list"]],
    [{ list: 5 }, ["body.list"]],
    [{ list: "a".repeat(21_847) }, ["body.list"]],
    [{ list: "a", handover: { device_id: "d", body: "" } }, ["body.handover.body", "body.handover.wrap"]],
    [{ list: "a", handover: { device_id: "", body: "b", wrap: "w" } }, ["body.handover.device_id"]],
  ])("calls %j malformed", async (body, places) => {
    const { token } = await newPerson(url);
    expect(placesOf(await rest(url, "POST /device_lists", { token, body })).toSorted()).toEqual(places);
  });

  test("needs a token that published a device", async () => {
    const ada = await signIn(url);
    expect(outcome(await publish(ada, makeList(ada.id)))).toMatchObject({ status: 403 });
  });
});

describe("GET /device_lists/{user_id}", () => {
  test("gives the newest list and the published devices, to anybody", async () => {
    const [ada, bob] = [await newPerson(url), await newPerson(url)];
    const lists = await publishChain(ada, 3);
    expect((await get(bob, ada.id)).body).toEqual({
      current_version: 3,
      lists: [{ version: 3, list: lists[2] }],
      devices: [expect.objectContaining({ device_id: "phone", public_key: "key-of-phone" })],
    });
  });

  test("gives what is above a version, oldest first, in pages", async () => {
    const ada = await newPerson(url);
    const lists = await publishChain(ada, 35);
    const first = (await get(ada, ada.id, 0)).body as { lists: { version: number; list: string }[] };
    expect(first.lists.map(({ list }) => list)).toEqual(lists.slice(0, 32));
    expect((await get(ada, ada.id, 32)).body).toMatchObject({
      current_version: 35,
      lists: [{ version: 33 }, { version: 34 }, { version: 35, list: lists[34] }],
    });
    for (const since of [35, 36, 2 ** 31 - 1])
      expect((await get(ada, ada.id, since)).body).toMatchObject({ current_version: 35, lists: [] });
  });

  test("is empty for a user without lists, and for an unknown one", async () => {
    const ada = await newPerson(url);
    const empty = { current_version: 0, lists: [] };
    expect((await get(ada, ada.id)).body).toMatchObject({ ...empty, devices: [{ device_id: "phone" }] });
    expect((await get(ada, unknownId)).body).toEqual({ ...empty, devices: [] });
  });

  test.each([
    ["x", "", ["path.user_id"]],
    [unknownId, "?since_version=-1", ["query.since_version"]],
    [unknownId, "?since_version=x", ["query.since_version"]],
    [unknownId, "?since_version=4294967296", ["query.since_version"]],
  ])("calls %s%s malformed", async (id, query, places) => {
    const { token } = await newPerson(url);
    expect(placesOf(await rest(url, `GET /device_lists/${id}${query}`, { token }))).toEqual(places);
  });
});

describe("POST /device_lists/query", () => {
  test("gives the lists and devices of several, each once, at most four lists of each", async () => {
    const [ada, bob, none] = [await newPerson(url), await newPerson(url), await newPerson(url)];
    const [lists, [only = ""]] = [await publishChain(ada, 6), await publishChain(bob, 1)];
    const answer = await query(none, [
      { user_id: bob.id },
      { user_id: ada.id, since_version: 1 },
      { user_id: none.id, since_version: 3 },
      { user_id: unknownId },
      { user_id: bob.id, since_version: 0 },
    ]);
    const devices = [expect.objectContaining({ public_key: "key-of-phone" })];
    expect(answer.body).toEqual({
      users: [
        { user_id: bob.id, current_version: 1, lists: [{ version: 1, list: only }], devices },
        {
          user_id: ada.id,
          current_version: 6,
          lists: [2, 3, 4, 5].map((version) => ({ version, list: lists[version - 1] })),
          devices,
        },
        { user_id: none.id, current_version: 0, lists: [], devices },
        { user_id: unknownId, current_version: 0, lists: [], devices: [] },
      ],
    });
  });

  test.each([
    [[], ["body.users"]],
    [[{}], ["body.users.0.user_id"]],
    [[{ user_id: "x" }], ["body.users.0.user_id"]],
    [[{ user_id: unknownId, since_version: -1 }], ["body.users.0.since_version"]],
    [Array.from({ length: 201 }, () => ({ user_id: unknownId })), ["body.users"]],
  ])("calls %j malformed", async (users, places) => {
    expect(placesOf(await query(await newPerson(url), users))).toEqual(places);
  });
});

describe("a handover", () => {
  test("is kept for the device that the list names beside it, and for no other", async () => {
    const phone = await newPerson(url);
    const laptop = await newPerson(url, "laptop", phone.phone);
    const first = makeList(phone.id);
    const given = { device_id: "laptop", body: "sealed", wrap: "wrap" };
    expect((await publish(phone, first, { handover: given })).status).toBe(200);
    const kept = { handover: { from_device_id: "phone", body: "sealed", wrap: "wrap" } };
    expect((await handoverOf(laptop)).body).toEqual(kept);
    expect((await handoverOf(laptop)).body).toEqual(kept);
    expect((await handoverOf(phone)).body).toEqual({ handover: null });

    const again = { ...given, body: "sealed anew" };
    await publish(phone, after(first), { handover: again });
    expect((await handoverOf(laptop)).body).toMatchObject({ handover: { body: "sealed anew" } });
  });

  test("goes with its device", async () => {
    const phone = await newPerson(url);
    await newPerson(url, "laptop", phone.phone);
    await publish(phone, makeList(phone.id), { handover: { device_id: "laptop", body: "b", wrap: "w" } });
    await rest(url, "DELETE /keys/devices/laptop", { token: phone.token });
    const again = await newPerson(url, "laptop", phone.phone);
    expect((await handoverOf(again)).body).toEqual({ handover: null });
  });

  test("for a device that is not there is refused with its list", async () => {
    const phone = await newPerson(url);
    const handover = { device_id: "laptop", body: "b", wrap: "w" };
    expect(outcome(await publish(phone, makeList(phone.id), { handover }))).toEqual({
      status: 403,
      detail: "Invalid device",
    });
    expect((await get(phone, phone.id)).body).toMatchObject({ current_version: 0 });
  });
});

const sendTo = (from: DevicePerson, to: DevicePerson, list_version: number): Promise<RestAnswer> =>
  rest(url, "POST /messages/send", {
    token: from.token,
    body: {
      recipient_user_id: to.id,
      sender_device_id: from.deviceId,
      ciphertext: `by list ${list_version}`,
      recipients: [{ user_id: to.id, device_id: to.deviceId, wrap: "", list_version }],
    },
  });

describe("a device that is not sealed to because of its user's list", () => {
  test("is outdated once its user has signed another list", async () => {
    const [alice, bob] = [await newPerson(url), await newPerson(url)];
    expect((await sendTo(alice, bob, 0)).status).toBe(200);
    await publishChain(bob, 2);
    const device = { user_id: bob.id, device_id: bob.deviceId };
    for (const version of [0, 1, 3]) {
      expect(outcome(await sendTo(alice, bob, version))).toEqual({
        status: 409,
        detail: { code: "device_list_stale", missing: [], extra: [], outdated: [device] },
      });
    }
    expect((await sendTo(alice, bob, 2)).status).toBe(200);
  });
});
