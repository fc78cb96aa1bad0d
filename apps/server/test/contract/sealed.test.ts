import { encodeWrap, parseWrap } from "@sotto/schema";
import { generateDeviceKeys, makePublicKey, sealEnvelope } from "@sotto/sdk/sealed";
import { afterAll, describe, expect, test } from "vitest";
import { signIn, type Json, type RestAnswer } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";
import { unknownId } from "./contract-routes.ts";
import { fieldList, outcome, placesOf, rest } from "./described-rest.ts";
import { newPair, newPerson, type DevicePerson } from "./people.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());

interface Wrap {
  user_id: string;
  device_id: string;
  wrap: string;
}
const wrapFor = (person: { id: string }, device_id: string): Wrap => ({
  user_id: person.id,
  device_id,
  wrap: `wrap of ${device_id}`,
});
const named = ({ user_id, device_id }: Wrap) => ({ user_id, device_id });

function send(from: DevicePerson, to: { id: string }, body: object): Promise<RestAnswer> {
  return rest(server.url, "POST /messages/send", {
    token: from.token,
    body: { recipient_user_id: to.id, sender_device_id: from.deviceId, ciphertext: "sealed", ...body },
  });
}

async function inboxOf(token: string): Promise<Json[]> {
  return fieldList(await rest(server.url, "GET /messages/inbox", { token }), "messages");
}

const stale = (difference: object): object => ({
  status: 409,
  detail: { code: "device_list_stale", missing: [], extra: [], outdated: [], ...difference },
});

describe("recipients", () => {
  test("each device is given its own wrap, and no other, on every way", async () => {
    const [ada, bob] = await newPair(server.url);
    const desk = await newPerson(server.url, "desk", ada.phone);
    const tablet = await newPerson(server.url, "tablet", bob.phone);
    const bare = await signIn(server.url, bob.phone);
    const readers: [string, string, string | null][] = [
      ["bob's phone", bob.token, "wrap of phone"],
      ["bob's tablet", tablet.token, "wrap of tablet"],
      ["a token without device", bare.token, null],
      ["ada's desk", desk.token, "wrap of desk"],
    ];
    await using stack = new AsyncDisposableStack();
    const sockets = new Map<string, WsClient>();
    for (const [who, token] of readers) {
      sockets.set(who, stack.use(await WsClient.connect(server.url, { token })));
    }
    const recipients = [wrapFor(bob, "phone"), wrapFor(bob, "tablet"), wrapFor(ada, "desk")];
    const sent = await send(ada, bob, { recipients });
    expect(sent.status).toBe(200);
    // The sending device has no wrap of its own.
    expect(sent.body["wrap"]).toBeNull();
    for (const [who, token, wrap] of readers) {
      const expected = { ...sent.body, wrap };
      const frame = await sockets.get(who)?.next("message");
      expect(frame?.["message"], who).toEqual(expected);
      const path = `/messages/history?conversation_id=${String(sent.body["conversation_id"])}`;
      const history = fieldList(await rest(server.url, `GET ${path}`, { token }), "messages");
      expect(history, who).toEqual([expected]);
      if (who !== "ada's desk") expect(await inboxOf(token), who).toEqual([expected]);
    }
  });

  test("missing and extra devices are named, and nothing is stored", async () => {
    const [ada, bob] = await newPair(server.url);
    await newPerson(server.url, "tablet", bob.phone);
    const [phone, tablet] = [wrapFor(bob, "phone"), wrapFor(bob, "tablet")];
    const gone = wrapFor(bob, "sold");
    const stranger = wrapFor({ id: unknownId }, "phone");
    const own = wrapFor(ada, "phone");
    const cases: [Wrap[], object][] = [
      [[], { missing: [named(phone), named(tablet)] }],
      [[phone], { missing: [named(tablet)] }],
      [[phone, tablet, gone], { extra: [named(gone)] }],
      [[phone, tablet, stranger], { extra: [named(stranger)] }],
      [[phone, tablet, own], { extra: [named(own)] }],
      [[phone, tablet, phone], { extra: [named(phone)] }],
      [[tablet, gone], { missing: [named(phone)], extra: [named(gone)] }],
    ];
    for (const [recipients, difference] of cases) {
      const { detail, status } = outcome(await send(ada, bob, { recipients }));
      const sorted = (list: Wrap[]): string[] => list.map(({ device_id }) => device_id).toSorted();
      expect({ status, detail }).toMatchObject({ status: 409, detail: { code: "device_list_stale" } });
      const { missing } = { missing: [], ...difference } as { missing: Wrap[] };
      expect(sorted((detail as { missing: Wrap[] }).missing)).toEqual(sorted(missing));
      expect({ status, detail: { ...(detail as object), missing } }).toEqual(
        stale({ ...difference, missing }),
      );
    }
    expect(await inboxOf(bob.token)).toEqual([]);
    const answer = await rest(server.url, "GET /messages/conversations", { token: ada.token });
    expect(answer.body).toEqual({ conversations: [] });
  });

  test("a peer without devices needs no wrap, and the list follows what it publishes", async () => {
    const ada = await newPerson(server.url);
    const bob = await signIn(server.url);
    expect((await send(ada, bob, { recipients: [] })).status).toBe(200);
    await newPerson(server.url, "phone", bob.phone);
    expect(outcome(await send(ada, bob, { recipients: [] }))).toEqual(
      stale({ missing: [named(wrapFor(bob, "phone"))] }),
    );
    expect((await send(ada, bob, { recipients: [wrapFor(bob, "phone")] })).status).toBe(200);
    expect(await inboxOf(bob.token)).toHaveLength(2);
  });

  test("only a device that the token published may seal", async () => {
    const [ada, bob] = await newPair(server.url);
    const answer = await send({ ...ada, deviceId: "a label" }, bob, { recipients: [wrapFor(bob, "phone")] });
    expect(outcome(answer)).toEqual({ status: 403, detail: "Invalid device" });
  });

  test("a send racing a new device is stored for both of them or refused", async () => {
    const [ada, bob] = await newPair(server.url);
    const rounds = 6;
    const accepted: unknown[] = [];
    for (let round = 0; round < rounds; round++) {
      const known = ["phone", ...Array.from({ length: round }, (_, i) => `d${i}`)];
      const recipients = known.map((deviceId) => wrapFor(bob, deviceId));
      const [answer] = await Promise.all([
        send(ada, bob, { recipients }),
        newPerson(server.url, `d${round}`, bob.phone),
      ]);
      if (answer.status === 200) accepted.push(answer.body["id"]);
      else expect(outcome(answer)).toEqual(stale({ missing: [named(wrapFor(bob, `d${round}`))] }));
    }
    expect((await inboxOf(bob.token)).map((message) => message["id"])).toEqual(accepted);
  });

  test("the first answer comes again although the devices have changed since", async () => {
    const [ada, bob] = await newPair(server.url);
    const body = { recipients: [wrapFor(bob, "phone")], client_message_id: "once" };
    const first = await send(ada, bob, body);
    await newPerson(server.url, "tablet", bob.phone);
    expect((await send(ada, bob, body)).body).toEqual(first.body);
    expect(await inboxOf(bob.token)).toHaveLength(1);
  });
});

const refusal = (field: string): object => ({
  status: 422,
  detail: { code: "envelope_refused", field },
});

describe("a sealed/v1 envelope", () => {
  const now = Date.now();

  /** Two people whose devices publish real keys, with an envelope from one to the other. */
  async function seal() {
    // sealed/v1 takes device ids that are UUIDs.
    const people = [
      await newPerson(server.url, crypto.randomUUID()),
      await newPerson(server.url, crypto.randomUUID()),
    ] as const;
    const keys = [];
    const published = [];
    for (const person of people) {
      const made = await generateDeviceKeys({
        userId: person.id,
        deviceId: person.deviceId,
        now,
        extractable: false,
      });
      const publicKey = await makePublicKey(made, now);
      await rest(server.url, "POST /keys/publish", {
        token: person.token,
        body: { device_id: person.deviceId, public_key: publicKey },
      });
      keys.push(made);
      published.push({ userId: person.id, deviceId: person.deviceId, publicKey });
    }
    const [ada, bob] = people;
    const opened = await rest(server.url, "POST /conversations/direct", {
      token: ada.token,
      body: { peer_user_id: bob.id },
    });
    const [sender] = keys;
    if (!sender) throw new Error("no keys");
    const input = {
      conversationId: String(opened.body["id"]),
      messageId: crypto.randomUUID(),
      counter: 1,
      payload: { kind: "text" as const, text: "hello", sentAtMs: now },
      devices: published,
      sender,
      now,
    };
    const { body, wraps } = await sealEnvelope(input);
    const recipients = wraps.map(({ userId, deviceId, wrap }) => ({
      user_id: userId,
      device_id: deviceId,
      wrap,
    }));
    return { ada, bob, input, body: { ciphertext: body, recipients, client_message_id: input.messageId } };
  }

  test("passes as it is", async () => {
    const { ada, bob, body } = await seal();
    const sent = await send(ada, bob, body);
    expect(sent.status, JSON.stringify(sent.body)).toBe(200);
    expect(await inboxOf(bob.token)).toEqual([{ ...sent.body, wrap: body.recipients[0]?.wrap }]);
  });

  test("is refused where its header says another thing than the request", async () => {
    const { ada, bob, body, input } = await seal();
    const eve = await newPerson(server.url);
    const other = await sealEnvelope({ ...input, conversationId: unknownId });
    const toNobody = await sealEnvelope({ ...input, devices: input.devices.slice(0, 1) });
    const cases: [object, string][] = [
      [{ client_message_id: "another" }, "message_id"],
      [{ client_message_id: null }, "message_id"],
      [{ ciphertext: other.body }, "conversation_id"],
      [{ ciphertext: toNobody.body }, "roster_hash"],
      [{ ciphertext: `${body.ciphertext.slice(0, 40)}!!` }, "ciphertext"],
    ];
    for (const [change, field] of cases) {
      expect(outcome(await send(ada, bob, { ...body, ...change })), field).toEqual(refusal(field));
    }
    const replayed = await send(bob, ada, { ...body, recipients: [wrapFor(ada, ada.deviceId)] });
    expect(outcome(replayed)).toEqual(refusal("sender_user_id"));
    const elsewhere = await send(ada, eve, { ...body, recipients: [wrapFor(eve, "phone")] });
    expect(outcome(elsewhere)).toEqual(refusal("conversation_id"));
    expect(await inboxOf(bob.token)).toEqual([]);
  });

  test("sealed to a key that was replaced since is outdated", async () => {
    const { ada, bob, body } = await seal();
    const { id: userId, deviceId } = bob;
    const fresh = await generateDeviceKeys({ userId, deviceId, now, extractable: false });
    await rest(server.url, "POST /keys/publish", {
      token: bob.token,
      body: { device_id: deviceId, public_key: await makePublicKey(fresh, now) },
    });
    expect(outcome(await send(ada, bob, body))).toEqual(
      stale({ outdated: [{ user_id: userId, device_id: deviceId }] }),
    );
    expect(await inboxOf(bob.token)).toEqual([]);
  });

  test("sealed to a present key, named for another KEM than the key's, is outdated", async () => {
    const { ada, bob, body } = await seal();
    const [recipient] = body.recipients;
    const wrap = parseWrap(recipient?.wrap ?? "") ?? expect.fail("no wrap");
    expect(wrap.kemId).toBe(0x647a);
    const recipients = [{ ...recipient, wrap: encodeWrap({ ...wrap, kemId: 0x0020 }) }];
    expect(outcome(await send(ada, bob, { ...body, recipients }))).toEqual(
      stale({ outdated: [{ user_id: bob.id, device_id: bob.deviceId }] }),
    );
  });
});

test("more recipients than may be are malformed", async () => {
  const [ada, bob] = await newPair(server.url);
  const recipients = Array.from({ length: 1025 }, (_, i) => wrapFor(bob, `d${i}`));
  expect(placesOf(await send(ada, bob, { recipients }))).toEqual(["body.recipients"]);
  const long = await send(ada, bob, { recipients: [{ ...wrapFor(bob, "phone"), wrap: "w".repeat(4097) }] });
  expect(placesOf(long)).toEqual(["body.recipients.0.wrap"]);
});
