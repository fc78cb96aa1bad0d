/** Whoever carries an envelope may change anything about it; every change must be a typed refusal. */
import { randomUUID } from "node:crypto";
import {
  type SealedBodyParts,
  decodeBase64url,
  encodeBase64url,
  encodeCbor,
  encodeWrap,
  parseSealedBody,
  parseWrap,
  sealedHeaderItems,
  sealedLimits,
} from "@sotto/schema";
import { beforeAll, describe, expect, it } from "vitest";
import { openContent, sealContent } from "./content.ts";
import { type TestDevice, codeOf, flip, newDevice, now, sendOne } from "./fixtures.ts";
import { x25519KemId, xWingKemId } from "./kems.ts";
import { type OpenEnvelopeInput, openEnvelope } from "./open-envelope.ts";
import { encodePayload } from "./payload.ts";
import { ed25519Sign, randomBytes, sha256 } from "./primitives.ts";
import type { SealEnvelopeInput } from "./seal-envelope.ts";
import { sealWrap } from "./wrap.ts";

const partsOf = (body: string): SealedBodyParts => parseSealedBody(body) ?? expect.fail("not sealed");

describe.each([
  { kem: "X25519", pq: "off", kemId: x25519KemId, otherKemId: xWingKemId },
  { kem: "X-Wing", pq: "require", kemId: xWingKemId, otherKemId: x25519KemId },
] as const)("$kem", ({ pq, kemId, otherKemId }) => {
  let alice: TestDevice, bob: TestDevice, carol: TestDevice, sent: OpenEnvelopeInput, parts: SealedBodyParts;
  const send = (from: TestDevice, to: TestDevice, overrides: Partial<SealEnvelopeInput> = {}) =>
    sendOne(from, to, { pq, ...overrides });

  const open = (changes: Partial<OpenEnvelopeInput> = {}) => codeOf(openEnvelope({ ...sent, ...changes }));

  /** A body of altered parts, well-formed. */
  function rebuild(changes: Partial<SealedBodyParts>): string {
    const { header, iv, keyCommit, ct } = { ...parts, ...changes };
    return encodeBase64url(encodeCbor([sealedHeaderItems(header), iv, keyCommit, ct]));
  }

  beforeAll(async () => {
    [alice, bob, carol] = await Promise.all([newDevice(), newDevice(), newDevice()]);
    sent = await send(alice, bob);
    parts = partsOf(sent.body);
  });

  describe("one changed bit", () => {
    it("anywhere in the body is refused", async () => {
      const codes = await Promise.all(
        Array.from(parts.bytes, (_, at) => open({ body: encodeBase64url(flip(parts.bytes, at)) })),
      );
      expect(new Set(codes)).not.toContain("opened");
      expect(new Set(codes)).toContain("wrap_rejected");
    });

    it("anywhere in the wrap is refused, for signed and for basic senders", { timeout: 60_000 }, async () => {
      // A basic sender has no X-Wing.
      const basic = pq === "off" ? [await send(await newDevice({ basic: true }), bob)] : [];
      for (const envelope of [sent, ...basic]) {
        const bytes = decodeBase64url(envelope.wrap);
        const codes = Array.from(bytes.keys(), (at) =>
          codeOf(openEnvelope({ ...envelope, wrap: encodeBase64url(flip(bytes, at)) })),
        );
        const found = new Set(await Promise.all(codes));
        expect([...found].toSorted()).toEqual([
          "no_key",
          "unsupported_kem",
          "wrap_malformed",
          "wrap_rejected",
        ]);
      }
    });

    it("in iv, commitment, ciphertext or AAD is refused by the content layer itself, without the wrap's help", async () => {
      const contentKey = { cek: randomBytes(32), messageId: randomUUID() };
      const { headerBytes, iv } = parts;
      const inner = { payload: randomBytes(40), signature: randomBytes(64) };
      const sealed = { headerBytes, iv, ...(await sealContent(inner, { contentKey, iv, headerBytes })) };
      expect(await openContent(sealed, contentKey)).toEqual(inner);
      const expected = {
        headerBytes: "content_rejected",
        iv: "content_rejected",
        ct: "content_rejected",
        keyCommit: "commitment_mismatch",
      };
      for (const name of ["headerBytes", "iv", "ct", "keyCommit"] as const) {
        for (const at of sealed[name].keys()) {
          expect(await codeOf(openContent({ ...sealed, [name]: flip(sealed[name], at) }, contentKey))).toBe(
            expected[name],
          );
        }
      }
      for (const at of contentKey.cek.keys()) {
        const other = { ...contentKey, cek: flip(contentKey.cek, at) };
        expect(await codeOf(openContent(sealed, other))).toBe("commitment_mismatch");
      }
      expect(await codeOf(openContent(sealed, { ...contentKey, messageId: randomUUID() }))).toBe(
        "commitment_mismatch",
      );
    });
  });

  describe("what belongs to another place", () => {
    it("claims that differ from the header", async () => {
      const claim = (changes: object) => open({ claims: { ...sent.claims, ...changes } });
      expect(await open()).toBe("opened");
      expect(await claim({ conversationId: randomUUID() })).toBe("wrong_conversation");
      expect(await claim({ senderUserId: randomUUID() })).toBe("wrong_sender");
      expect(await claim({ senderDeviceId: randomUUID() })).toBe("wrong_device");
      expect(await claim({ messageId: randomUUID() })).toBe("wrong_message");
    });

    it("a header rewritten to fit false claims", async () => {
      const conversationId = randomUUID();
      const body = rebuild({ header: { ...parts.header, conversationId } });
      expect(await open({ body, claims: { ...sent.claims, conversationId } })).toBe("wrap_rejected");
    });

    it("a wrap of another device, or of another message", async () => {
      const devices = [bob.published, carol.published];
      const toCarol = await send(alice, carol, { devices });
      expect(await open({ wrap: toCarol.wrap })).toBe("no_key");
      expect(await open({ wrap: (await send(alice, bob, { devices })).wrap })).toBe("wrap_rejected");
      const copy = { ...bob.keys, deviceId: randomUUID() };
      expect(await open({ keys: copy })).toBe("wrap_rejected");
      expect(await open({ keys: carol.keys })).toBe("no_key");
      expect(await open({ wrap: "" })).toBe("not_addressed");
    });

    it("a wrap of the other KEM, or one that is named for the other KEM", async () => {
      const other = await sendOne(alice, bob, { pq: pq === "off" ? "require" : "off" });
      expect(parseWrap(other.wrap)?.kemId).toBe(otherKemId);
      expect(await open({ wrap: other.wrap })).toBe("wrap_rejected");
      const wrap = parseWrap(sent.wrap) ?? expect.fail();
      expect(wrap.kemId).toBe(kemId);
      expect(await open({ wrap: encodeWrap({ ...wrap, kemId: otherKemId }) })).toBe("no_key");
      const otherKid = bob.keys.hpkeKeys.find((key) => key.kemId === otherKemId)?.kid ?? expect.fail();
      expect(await open({ wrap: encodeWrap({ ...wrap, kemId: otherKemId, kid: otherKid }) })).toBe(
        "wrap_rejected",
      );
      const { enc, sealedCek } = parseWrap(other.wrap) ?? expect.fail();
      expect(await open({ wrap: encodeWrap({ ...wrap, enc }) })).toBe("wrap_rejected");
      expect(await open({ wrap: encodeWrap({ ...wrap, sealedCek }) })).toBe("wrap_rejected");
    });

    it("a verified device that is not the sender", async () => {
      expect(await open({ sender: carol.verified })).toBe("wrong_sender");
      const { userId } = alice.keys;
      const sibling = await newDevice({ userId });
      expect(await open({ sender: sibling.verified })).toBe("wrong_device");
    });
  });

  describe("a forged sender", () => {
    it("who holds the content key but not the identity key", async () => {
      // Carol received Alice's message and re-seals it to Bob as if from Alice.
      const forged = await send(
        { ...carol, keys: { ...carol.keys, userId: alice.keys.userId, deviceId: alice.keys.deviceId } },
        bob,
      );
      expect(await codeOf(openEnvelope({ ...forged, sender: alice.verified }))).toBe("signature_invalid");
    });

    it("who forwards a signed payload under a header of their own", async () => {
      const payload = encodePayload({ kind: "text", text: "yes", sentAtMs: now });
      const signature = await ed25519Sign(payload, carol.keys.dik?.privateKey ?? expect.fail());
      expect(await resealed({ payload, signature })).toBe("signature_invalid");
    });

    it("who leaves the signature out", async () => {
      const payload = encodePayload({ kind: "text", text: "yes", sentAtMs: now });
      expect(await resealed({ payload, signature: null })).toBe("signature_invalid");
    });

    it("whose bundle was swapped for a bare key, or back", async () => {
      const [key] = alice.keys.hpkeKeys;
      const { userId, deviceId } = alice.keys;
      const publicKey = key?.pair.publicKeyBytes ?? expect.fail();
      expect(await open({ sender: { kind: "bare", userId, deviceId, kid: key?.kid ?? "", publicKey } })).toBe(
        "wrap_rejected",
      );
      const basic = await newDevice({ basic: true });
      const fromBasic = await sendOne(basic, bob);
      const { userId: basicUser, deviceId: basicDevice } = basic.keys;
      const sender = { ...alice.verified, userId: basicUser, deviceId: basicDevice };
      expect(await codeOf(openEnvelope({ ...fromBasic, sender }))).toBe("wrap_rejected");
    });

    it("whose bundle was downgraded to its own bare key, which hides that a signature is due", async () => {
      const basic = await newDevice({ basic: true });
      const { kid, pair } = alice.keys.hpkeKeys[0] ?? expect.fail();
      const { userId, deviceId } = alice.keys;
      const sender = { kind: "bare", userId, deviceId, kid, publicKey: pair.publicKeyBytes } as const;
      const envelope = await sendOne(alice, basic);
      expect(await codeOf(openEnvelope(envelope))).toBe("opened");
      expect(await codeOf(openEnvelope({ ...envelope, sender }))).toBe("signature_invalid");
    });

    it("who has another bare key", async () => {
      const [one, other] = await Promise.all([newDevice({ basic: true }), newDevice({ basic: true })]);
      const envelope = await sendOne(one, bob);
      const sender = { ...other.verified, userId: one.keys.userId, deviceId: one.keys.deviceId };
      expect(await codeOf(openEnvelope({ ...envelope, sender }))).toBe("wrap_rejected");
    });
  });

  /** Seals chosen content for Bob under Alice's header, as someone could who is no better than Bob. */
  async function resealed(inner: {
    payload: Uint8Array<ArrayBuffer>;
    signature: Uint8Array<ArrayBuffer> | null;
  }): Promise<string> {
    const cek = randomBytes(32);
    const { header, headerBytes, iv } = parts;
    const content = await sealContent(inner, {
      contentKey: { cek, messageId: header.messageId },
      iv,
      headerBytes,
    });
    return open(await addressed(rebuild(content), cek));
  }

  async function signedByAlice(payload: Uint8Array<ArrayBuffer>) {
    const message = encodeCbor(["sealed/v1/sig", sealedHeaderItems(parts.header), payload]);
    return { payload, signature: await ed25519Sign(message, alice.keys.dik?.privateKey ?? expect.fail()) };
  }

  async function addressed(
    body: string,
    cek: Uint8Array<ArrayBuffer>,
  ): Promise<{ body: string; wrap: string }> {
    const bodyHash = await sha256(decodeBase64url(body));
    const wrap = await sealWrap(cek, { kemId, recipient: bob.verified, sender: alice.keys, bodyHash, now });
    return { body, wrap: wrap ?? "" };
  }

  describe("a sender who cheats", () => {
    it("cannot make one body open with two keys", async () => {
      expect(await open(await addressed(sent.body, randomBytes(32)))).toBe("commitment_mismatch");
    });

    it("cannot sneak in content that is not padded, not CBOR or of a broken kind", async () => {
      expect(await resealed(await signedByAlice(encodeCbor(["text/v1", { text: 1, sentAt: 1 }])))).toBe(
        "payload_malformed",
      );
      expect(await resealed(await signedByAlice(randomBytes(0)))).toBe("payload_malformed");
      expect(await resealed({ payload: randomBytes(4), signature: randomBytes(63) })).toBe("malformed");
    });

    it("cannot use a suite or KEM that this version does not know", async () => {
      const body = rebuild({ header: { ...parts.header, contentSuite: 2 } });
      expect(await open({ body })).toBe("unsupported_suite");
      const wrap = parseWrap(sent.wrap) ?? expect.fail();
      expect(await open({ wrap: encodeWrap({ ...wrap, kemId: 0x0041 }) })).toBe("unsupported_kem");
    });
  });

  describe("a body that is not well formed", () => {
    it.each<[string, () => string, string]>([
      ["cut short", () => encodeBase64url(parts.bytes.subarray(0, -1)), "malformed"],
      ["followed by more", () => encodeBase64url(Uint8Array.of(...parts.bytes, 0)), "malformed"],
      ["padded base64", () => `${sent.body}=`, "malformed"],
      ["not sealed", () => "hello", "not_sealed"],
      ["empty", () => "", "not_sealed"],
      ["too large", () => sent.body + "A".repeat(sealedLimits.maxBodyBytes * 2), "oversize"],
      ["a short iv", () => rebuild({ iv: parts.iv.slice(1) }), "malformed"],
      ["no ciphertext", () => rebuild({ ct: new Uint8Array() }), "wrap_rejected"],
    ])("%s", async (_, makeBody, code) => {
      expect(await open({ body: makeBody() })).toBe(code);
    });
  });
});
