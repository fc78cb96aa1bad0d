import { parseSealedBody, parseWrapKeyId, sealedLimits } from "@sotto/schema";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { codeOf, newDevice, now, sendOne } from "./fixtures.ts";
import { openEnvelope } from "./open-envelope.ts";
import { hashRoster, sealEnvelope } from "./seal-envelope.ts";

const text = (value: string) => ({ kind: "text", text: value, sentAtMs: now }) as const;

describe("an envelope", () => {
  it("gives back any text, to every device, with the header that was sealed", async () => {
    const [alice, phone, laptop] = await Promise.all([newDevice(), newDevice(), newDevice()]);
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: "grapheme", maxLength: 2000 }),
        fc.maxSafeNat(),
        fc.constantFrom("content" as const, "control" as const),
        async (value, counter, messageClass) => {
          const overrides = { payload: text(value), counter, class: messageClass };
          const devices = [laptop.published, alice.published, phone.published];
          for (const reader of [phone, laptop]) {
            const sent = await sendOne(alice, reader, { ...overrides, devices });
            const opened = await openEnvelope({ ...sent, roster: devices });
            expect(opened.payload).toEqual(text(value));
            expect(opened.assurance).toBe("signed");
            expect(opened.header).toMatchObject({
              ...sent.claims,
              counter,
              class: messageClass,
              contentSuite: 1,
            });
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it.each([
    { from: false, to: true },
    { from: true, to: false },
    { from: true, to: true },
  ])("is basic when one side is a bare key: sender $from, reader $to", async ({ from, to }) => {
    const [alice, bob] = await Promise.all([newDevice({ basic: from }), newDevice({ basic: to })]);
    const opened = await openEnvelope(await sendOne(alice, bob));
    expect(opened.payload).toEqual(text("meet at the lighthouse"));
    expect(opened.assurance).toBe("basic");
  });

  it("shows the server its header and which keys it is sealed to, and no more", async () => {
    const [alice, bob] = await Promise.all([newDevice(), newDevice()]);
    const sent = await sendOne(alice, bob);
    expect(parseSealedBody(sent.body)?.header).toMatchObject({ ...sent.claims, counter: 7 });
    expect(parseWrapKeyId(sent.wrap)).toEqual({ kid: bob.keys.hpkeKeys[1]?.kid, kemId: 0x647a });
    const classical = await sendOne(alice, bob, { pq: "off" });
    expect(parseWrapKeyId(classical.wrap)).toEqual({ kid: bob.keys.hpkeKeys[0]?.kid, kemId: 0x20 });
    expect(parseSealedBody("any opaque text")).toBeUndefined();
  });

  it("never repeats key material: two seals of one payload share no secret part", async () => {
    const [alice, bob] = await Promise.all([newDevice(), newDevice()]);
    const [one, two] = [await sendOne(alice, bob), await sendOne(alice, bob)].map((sent) =>
      parseSealedBody(sent.body),
    );
    expect(one?.iv).not.toEqual(two?.iv);
    expect(one?.keyCommit).not.toEqual(two?.keyCommit);
  });

  it.each(["off", "require"] as const)("wipes the content key once sealed: pq %s", async (pq) => {
    const [alice, bob] = await Promise.all([newDevice(), newDevice()]);
    const made = vi.spyOn(crypto, "getRandomValues");
    await sendOne(alice, bob, { pq });
    const contentKey = made.mock.results.find(({ value }) => value.length === 32)?.value;
    made.mockRestore();
    expect(contentKey).toEqual(new Uint8Array(32));
  });

  it("hides the length of short texts", async () => {
    const [alice, bob] = await Promise.all([newDevice(), newDevice()]);
    const sizes = await Promise.all(
      ["", "yes", "x".repeat(100)].map(
        async (value) => (await sendOne(alice, bob, { payload: text(value) })).body.length,
      ),
    );
    expect(new Set(sizes).size).toBe(1);
  });

  it("reports devices that it cannot reach, and those reached with less", async () => {
    const [alice, bare] = await Promise.all([newDevice(), newDevice({ basic: true })]);
    const stranger = await newDevice();
    const address = { userId: stranger.keys.userId, deviceId: "old phone" };
    const lowOrder = { ...address, deviceId: "low order", publicKey: "A".repeat(43) };
    const moved = { ...stranger.published, deviceId: "another" };
    const sealed = await sealEnvelope({
      conversationId: stranger.keys.userId,
      messageId: stranger.keys.deviceId,
      counter: 1,
      payload: text("hello"),
      devices: [{ ...address, publicKey: "no key" }, lowOrder, moved, bare.published, stranger.published],
      sender: alice.keys,
      now: now + 40 * 86_400_000,
    });
    expect(sealed.unreachable).toEqual([
      { ...address, reason: "unusable" },
      { ...address, deviceId: "low order", reason: "unusable" },
      { ...address, deviceId: "another", reason: "wrong_device" },
    ]);
    expect(sealed.wraps.map(({ wrap }) => wrap === "")).toEqual([true, true, true, false, false]);
    expect(sealed.basic.map(({ deviceId }) => deviceId)).toEqual([bare.keys.deviceId]);
    expect(sealed.expired.map(({ deviceId }) => deviceId)).toEqual([stranger.keys.deviceId]);
  });

  it("does not seal to a device whose identity key is not the pinned one", async () => {
    const [alice, bob, mallory] = await Promise.all([newDevice(), newDevice(), newDevice({ basic: true })]);
    const pinnedDik = alice.keys.dik?.publicKeyBytes;
    const devices = [bob, mallory].map(({ published }) => Object.assign(published, { pinnedDik }));
    const sent = await sendOne(alice, bob, { devices });
    expect(sent.wrap).toBe("");
    expect(await codeOf(openEnvelope(sent))).toBe("not_addressed");
  });

  it("refuses what breaks the format before sealing", async () => {
    const [alice, bob] = await Promise.all([newDevice(), newDevice()]);
    expect(await codeOf(sendOne(alice, bob, { conversationId: "room" }))).toBe("invalid_input");
    expect(await codeOf(sendOne(alice, bob, { counter: -1 }))).toBe("invalid_input");
    expect(await codeOf(sendOne(alice, bob, { counter: 2 ** 53 }))).toBe("invalid_input");
    expect(await codeOf(sendOne(alice, bob, { payload: text("\ud800") }))).toBe("invalid_input");
    const tooLong = "x".repeat(sealedLimits.maxBodyBytes);
    expect(await codeOf(sendOne(alice, bob, { payload: text(tooLong) }))).toBe("oversize");
  });
});

describe("a roster hash", () => {
  it("does not depend on order or repetition, and changes with any member", async () => {
    const device = fc.record({
      userId: fc.uuid(),
      deviceId: fc.string({ minLength: 1, maxLength: 64, unit: "grapheme-ascii" }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(device, { minLength: 1, maxLength: 8 }),
        fc.integer(),
        async (devices, at) => {
          const hash = await hashRoster(devices);
          const turn = Math.abs(at) % devices.length;
          const turned = [...devices.slice(turn), ...devices.slice(0, turn), ...devices.slice(0, 1)];
          expect(await hashRoster(turned)).toEqual(hash);
          expect(
            await hashRoster([...devices, { userId: devices[0]?.userId ?? "", deviceId: "é" }]),
          ).not.toEqual(hash);
        },
      ),
    );
  });

  it("is checked on opening when the reader knows the roster", async () => {
    const [alice, bob, ghost] = await Promise.all([newDevice(), newDevice(), newDevice()]);
    const sent = await sendOne(alice, bob);
    const roster = [alice.published, bob.published];
    expect(await codeOf(openEnvelope({ ...sent, roster }))).toBe("opened");
    const withoutSelf = await sendOne(alice, bob, { devices: [bob.published] });
    expect(await codeOf(openEnvelope({ ...withoutSelf, roster }))).toBe("opened");
    expect(await codeOf(openEnvelope({ ...sent, roster: [...roster, ghost.published] }))).toBe(
      "roster_mismatch",
    );
    expect(await codeOf(openEnvelope({ ...sent, roster: [alice.published] }))).toBe("roster_mismatch");
  });
});
