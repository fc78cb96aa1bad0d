/** X-Wing, in JavaScript and as Node has it, against its draft's vectors and two independent implementations, both ways. */
import { XWing } from "@hpke/hybridkem-x-wing";
import { KEM_MLKEM768_X25519 as nobleKem } from "@panva/hpke-noble";
import fc from "fast-check";
import * as oracle from "hpke";
import { describe, expect, it } from "vitest";
import { sha256Hex, vectors } from "../../test/x-wing-vectors.ts";
import { hpkeOpen, hpkeSeal } from "./hpke.ts";
import { generateXWing, xWingKemId } from "./kems.ts";
import { generateKeyPair, randomBytes } from "./primitives.ts";
import * as native from "./x-wing.node.ts";
import * as portable from "./x-wing.ts";

const info = new TextEncoder().encode("sealed/v1");
const someBytes = (length: { minLength: number; maxLength: number }) =>
  fc.uint8Array(length).map((bytes) => Uint8Array.from(bytes));
const keyAndAad = fc.tuple(
  someBytes({ minLength: 32, maxLength: 32 }),
  someBytes({ minLength: 0, maxLength: 100 }),
);
const numRuns = 12;

const isBrowser = "document" in globalThis;
const oracles = [
  { name: "noble", kem: nobleKem },
  // No browser has it in WebCrypto yet.
  ...(isBrowser ? [] : [{ name: "native WebCrypto", kem: oracle.KEM_MLKEM768_X25519 }]),
];

describe.each(oracles)("another implementation ($name)", ({ kem }) => {
  const suite = new oracle.CipherSuite(kem, oracle.KDF_HKDF_SHA256, oracle.AEAD_AES_256_GCM);

  it("opens what we seal, with our seed as its private key", async () => {
    expect(suite.KEM.id).toBe(xWingKemId);
    const { seed, publicKeyBytes } = await generateXWing();
    const privateKey = await suite.DeserializePrivateKey(seed);
    await fc.assert(
      fc.asyncProperty(keyAndAad, async ([cek, aad]) => {
        const input = { kemId: xWingKemId, recipientPublicKey: publicKeyBytes, aad, senderKey: undefined };
        const { enc, sealedCek } = (await hpkeSeal(cek, input)) ?? expect.fail("not sealed");
        expect(enc.length + sealedCek.length).toBe(1168);
        expect(await suite.Open(privateKey, enc, sealedCek, { aad, info })).toEqual(cek);
      }),
      { numRuns },
    );
  });

  it("seals what we open, and not under another aad", async () => {
    const recipientKey = await generateXWing();
    const publicKey = await suite.DeserializePublicKey(recipientKey.publicKeyBytes);
    await fc.assert(
      fc.asyncProperty(keyAndAad, async ([cek, aad]) => {
        const { encapsulatedSecret, ciphertext } = await suite.Seal(publicKey, cek, { aad, info });
        const sealed = { enc: Uint8Array.from(encapsulatedSecret), sealedCek: Uint8Array.from(ciphertext) };
        const input = { kemId: xWingKemId, recipientKey, aad, senderPublicKey: undefined };
        expect(await hpkeOpen(sealed, input)).toEqual(cek);
        expect(await hpkeOpen(sealed, { ...input, aad: Uint8Array.of(...aad, 1) })).toBeUndefined();
      }),
      { numRuns },
    );
  });

  it("derives the same key pair from a seed", async () => {
    await fc.assert(
      fc.asyncProperty(someBytes({ minLength: 32, maxLength: 32 }), async (ikm) => {
        // Its DeriveKeyPair makes the seed as HPKE says; from there on both must agree.
        const pair = await suite.DeriveKeyPair(ikm, true);
        const ours = await generateXWing(Uint8Array.from(await suite.SerializePrivateKey(pair.privateKey)));
        expect(ours.publicKeyBytes).toEqual(Uint8Array.from(await suite.SerializePublicKey(pair.publicKey)));
      }),
      { numRuns },
    );
  });
});

it("is the platform's own in Node 26, and in no browser yet", async () => {
  expect(await native.isNative()).toBe(!isBrowser);
});

describe.each([
  { from: "JavaScript", to: "the platform", sealer: portable, opener: native },
  { from: "the platform", to: "JavaScript", sealer: native, opener: portable },
])("from $from to $to", ({ sealer, opener }) => {
  it("opens, and not with another aad, ciphertext or key", async () => {
    const [pair, other] = [await generateXWing(), await generateXWing()];
    await fc.assert(
      fc.asyncProperty(keyAndAad, async ([cek, aad]) => {
        const sealed = await sealer.sealXWing(pair.publicKeyBytes, cek, { info, aad });
        // Twice: the second time the key has been expanded.
        for (let times = 0; times < 2; times++) {
          expect(await opener.openXWing(pair, sealed, { info, aad })).toEqual(cek);
        }
        const enc = sealed.enc.map((byte, at) => (at === 1119 ? byte ^ 1 : byte));
        await expect(opener.openXWing(pair, { ...sealed, enc }, { info, aad })).rejects.toThrow();
        await expect(opener.openXWing(other, sealed, { info, aad })).rejects.toThrow();
        await expect(
          opener.openXWing(pair, sealed, { info, aad: Uint8Array.of(...aad, 1) }),
        ).rejects.toThrow();
      }),
      { numRuns },
    );
  });

  it("refuses what is no key: coefficients over the modulus, an X25519 point of low order", async () => {
    const { publicKeyBytes } = await generateXWing();
    const tooLarge = publicKeyBytes.map((byte, at) => (at < 3 ? 0xff : byte));
    const lowOrder = publicKeyBytes.map((byte, at) => (at < 1184 ? byte : 0));
    for (const publicKey of [tooLarge, lowOrder, randomBytes(1216), new Uint8Array(1216)]) {
      await expect(
        sealer.sealXWing(publicKey, new Uint8Array(32), { info, aad: new Uint8Array() }),
      ).rejects.toThrow();
    }
  });
});

it.each(vectors)("vector $at of the draft holds", async ({ seed, eseed: ekm, ...vector }) => {
  const kem = new XWing();
  expect(sha256Hex((await generateXWing(seed)).publicKeyBytes)).toBe(vector.pk);
  const { privateKey, publicKey } = await kem.generateKeyPairDerand(seed);
  const { enc, sharedSecret } = await kem.encap({ recipientPublicKey: publicKey, ekm });
  expect(sha256Hex(enc)).toBe(vector.ct);
  expect(Buffer.from(sharedSecret).toString("hex")).toBe(vector.ss);
  expect(Buffer.from(await kem.decap({ recipientKey: privateKey, enc })).toString("hex")).toBe(vector.ss);
});

it("has no Auth mode: never seals or opens with a sender's key", async () => {
  const recipientKey = await generateXWing();
  const senderKey = await generateKeyPair("X25519", false);
  const aad = new Uint8Array();
  const input = { kemId: xWingKemId, recipientPublicKey: recipientKey.publicKeyBytes, aad };
  expect(await hpkeSeal(new Uint8Array(32), { ...input, senderKey })).toBeUndefined();
  const sealed = (await hpkeSeal(new Uint8Array(32), { ...input, senderKey: undefined })) ?? expect.fail();
  const opening = { kemId: xWingKemId, recipientKey, aad };
  expect(await hpkeOpen(sealed, { ...opening, senderPublicKey: undefined })).toEqual(new Uint8Array(32));
  for (const senderPublicKey of [senderKey.publicKeyBytes, recipientKey.publicKeyBytes]) {
    expect(await hpkeOpen(sealed, { ...opening, senderPublicKey })).toBeUndefined();
  }
});
