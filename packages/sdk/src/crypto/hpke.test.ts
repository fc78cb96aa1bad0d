/** The HPKE wrap against an independent implementation, both ways; Auth mode against RFC 9180 written out. */
import { createHmac, hkdfSync } from "node:crypto";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import * as oracle from "hpke";
import { describe, expect, it } from "vitest";
import { type SealedKey, hpkeOpen, hpkeSeal } from "./hpke.ts";
import { x25519KemId } from "./kems.ts";
import {
  type KeyPair,
  aesGcmOpen,
  ed25519Sign,
  ed25519Verify,
  exportPrivateKey,
  generateKeyPair,
  hkdfSha256,
  importKeyPair,
} from "./primitives.ts";

const info = new TextEncoder().encode("sealed/v1");
const suite = new oracle.CipherSuite(
  oracle.KEM_DHKEM_X25519_HKDF_SHA256,
  oracle.KDF_HKDF_SHA256,
  oracle.AEAD_AES_256_GCM,
);
const someBytes = (length: { minLength: number; maxLength: number }) =>
  fc.uint8Array(length).map((bytes) => Uint8Array.from(bytes));
const keyAndAad = fc.tuple(
  someBytes({ minLength: 32, maxLength: 32 }),
  someBytes({ minLength: 0, maxLength: 100 }),
);

const hex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));
const ascii = (text: string) => Buffer.from(text, "latin1");
const hmac = (key: Uint8Array, data: Uint8Array) => createHmac("sha256", key).update(data).digest();

/** The last 32 bytes of an X25519 or Ed25519 PKCS #8 are the key itself (RFC 8410). */
const rawPrivateKey = async (pair: KeyPair) => (await exportPrivateKey(pair.privateKey)).slice(-32);

const seal = async (
  recipient: KeyPair,
  cek: Uint8Array<ArrayBuffer>,
  options: { aad: Uint8Array<ArrayBuffer>; senderKey?: KeyPair },
) => {
  const { aad, senderKey } = options;
  const input = { kemId: x25519KemId, recipientPublicKey: recipient.publicKeyBytes, aad, senderKey };
  return (await hpkeSeal(cek, input)) ?? expect.fail("not sealed");
};

describe("base mode", () => {
  it("opens what we seal", async () => {
    const recipient = await generateKeyPair("X25519", true);
    // Extractable: in browsers the oracle takes the public key from the private one's export.
    const privateKey = await suite.DeserializePrivateKey(await rawPrivateKey(recipient), true);
    await fc.assert(
      fc.asyncProperty(keyAndAad, async ([cek, aad]) => {
        const { enc, sealedCek } = await seal(recipient, cek, { aad });
        expect(await suite.Open(privateKey, enc, sealedCek, { aad, info })).toEqual(cek);
      }),
      { numRuns: 30 },
    );
  });

  it("seals what we open, and not under another aad", async () => {
    const recipientKey = await generateKeyPair("X25519", false);
    const publicKey = await suite.DeserializePublicKey(recipientKey.publicKeyBytes);
    await fc.assert(
      fc.asyncProperty(keyAndAad, async ([cek, aad]) => {
        const { encapsulatedSecret, ciphertext } = await suite.Seal(publicKey, cek, { aad, info });
        const sealed = { enc: Uint8Array.from(encapsulatedSecret), sealedCek: Uint8Array.from(ciphertext) };
        const input = { kemId: x25519KemId, recipientKey, aad, senderPublicKey: undefined };
        expect(await hpkeOpen(sealed, input)).toEqual(cek);
        expect(await hpkeOpen(sealed, { ...input, aad: Uint8Array.of(...aad, 1) })).toBeUndefined();
      }),
      { numRuns: 30 },
    );
  });
});

describe("auth mode", () => {
  it("is RFC 9180's, step by step", async () => {
    const [sender, recipient] = await Promise.all([
      generateKeyPair("X25519", true),
      generateKeyPair("X25519", true),
    ]);
    const cek = crypto.getRandomValues(new Uint8Array(32));
    const aad = Uint8Array.of(1, 2, 3);
    const sealed = await seal(recipient, cek, { aad, senderKey: sender });
    const opened = await openAuthByHand(sealed, { recipient, senderPublicKey: sender.publicKeyBytes, aad });
    expect(opened).toEqual(cek);
  });

  it("opens only with the sender's key, and never as base mode", async () => {
    const [sender, recipientKey, other] = await Promise.all(
      ["a", "b", "c"].map(() => generateKeyPair("X25519", false)),
    );
    if (!sender || !recipientKey || !other) throw new Error("unexpected");
    const cek = crypto.getRandomValues(new Uint8Array(32));
    const aad = new Uint8Array();
    const input = { kemId: x25519KemId, recipientKey, aad };
    const authed = await seal(recipientKey, cek, { aad, senderKey: sender });
    expect(await hpkeOpen(authed, { ...input, senderPublicKey: sender.publicKeyBytes })).toEqual(cek);
    expect(await hpkeOpen(authed, { ...input, senderPublicKey: other.publicKeyBytes })).toBeUndefined();
    expect(await hpkeOpen(authed, { ...input, senderPublicKey: undefined })).toBeUndefined();
    const base = await seal(recipientKey, cek, { aad });
    expect(await hpkeOpen(base, { ...input, senderPublicKey: sender.publicKeyBytes })).toBeUndefined();
  });
});

it("refuses keys that are no keys: wrong length, low order, unknown KEM", async () => {
  const input = { aad: new Uint8Array(), senderKey: undefined, kemId: x25519KemId };
  const cek = new Uint8Array(32);
  // RFC 7748 §6.1: points whose shared secret is zero.
  const one = Uint8Array.of(1, ...new Uint8Array(31));
  for (const recipientPublicKey of [new Uint8Array(32), one, new Uint8Array(31), new Uint8Array()]) {
    expect(await hpkeSeal(cek, { ...input, recipientPublicKey })).toBeUndefined();
  }
  const { publicKeyBytes } = await generateKeyPair("X25519", false);
  expect(
    await hpkeSeal(cek, { ...input, kemId: 0x647a, recipientPublicKey: publicKeyBytes }),
  ).toBeUndefined();
});

describe("Ed25519", () => {
  it("agrees with another implementation, both ways", async () => {
    const pair = await generateKeyPair("Ed25519", true);
    const secret = await rawPrivateKey(pair);
    expect(ed25519.getPublicKey(secret)).toEqual(pair.publicKeyBytes);
    await fc.assert(
      fc.asyncProperty(someBytes({ minLength: 0, maxLength: 300 }), async (message) => {
        const signature = await ed25519Sign(message, pair.privateKey);
        expect(Uint8Array.from(ed25519.sign(message, secret))).toEqual(signature);
        expect(ed25519.verify(signature, message, pair.publicKeyBytes)).toBe(true);
        expect(await ed25519Verify(message, signature, pair.publicKeyBytes)).toBe(true);
        expect(await ed25519Verify(Uint8Array.of(...message, 0), signature, pair.publicKeyBytes)).toBe(false);
      }),
      { numRuns: 30 },
    );
    expect(await ed25519Verify(secret, new Uint8Array(64), new Uint8Array(5))).toBe(false);
  });

  it("holds RFC 8032 §7.1 test 1", async () => {
    const seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    const publicKeyBytes = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    const pkcs8 = Uint8Array.of(...hex("302e020100300506032b657004220420"), ...seed);
    const { privateKey } = await importKeyPair("Ed25519", { pkcs8, publicKeyBytes, extractable: false });
    expect(await ed25519Sign(new Uint8Array(), privateKey)).toEqual(
      hex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
      ),
    );
  });
});

it("HKDF is Node's", async () => {
  await fc.assert(
    fc.asyncProperty(
      someBytes({ minLength: 1, maxLength: 64 }),
      someBytes({ minLength: 0, maxLength: 64 }),
      async (secret, salt) => {
        const expected = new Uint8Array(hkdfSync("sha256", secret, salt, info, 64));
        expect(await hkdfSha256(secret, { salt, info, length: 64 })).toEqual(expected);
      },
    ),
    { numRuns: 20 },
  );
});

/** RFC 9180 §4.1 AuthDecap, §5.1 KeySchedule and §5.2 Open at sequence 0, from X25519, HMAC and AES-GCM alone. */
async function openAuthByHand(
  { enc, sealedCek }: SealedKey,
  {
    recipient,
    senderPublicKey,
    aad,
  }: { recipient: KeyPair; senderPublicKey: Uint8Array; aad: Uint8Array<ArrayBuffer> },
) {
  const kdf = (suiteId: Uint8Array) => ({
    extract: (salt: Uint8Array, label: string, ikm: Uint8Array) =>
      hmac(
        salt.length > 0 ? salt : new Uint8Array(32),
        Buffer.concat([ascii("HPKE-v1"), suiteId, ascii(label), ikm]),
      ),
    /** One block is enough: no output here is longer than 32 bytes. */
    expand: (prk: Uint8Array, label: string, context: Uint8Array, length: number) => {
      const labeled = Buffer.concat([
        Uint8Array.of(0, length),
        ascii("HPKE-v1"),
        suiteId,
        ascii(label),
        context,
      ]);
      return hmac(prk, Buffer.concat([labeled, Uint8Array.of(1)])).subarray(0, length);
    },
  });
  const empty = new Uint8Array();
  const secret = await rawPrivateKey(recipient);
  const dh = Buffer.concat([
    x25519.getSharedSecret(secret, enc),
    x25519.getSharedSecret(secret, senderPublicKey),
  ]);
  const kemContext = Buffer.concat([enc, recipient.publicKeyBytes, senderPublicKey]);
  const kem = kdf(Buffer.concat([ascii("KEM"), Uint8Array.of(0, 0x20)]));
  const sharedSecret = kem.expand(kem.extract(empty, "eae_prk", dh), "shared_secret", kemContext, 32);

  const hpke = kdf(Buffer.concat([ascii("HPKE"), Uint8Array.of(0, 0x20, 0, 1, 0, 2)]));
  const authMode = Uint8Array.of(2);
  const hashes = [hpke.extract(empty, "psk_id_hash", empty), hpke.extract(empty, "info_hash", info)];
  const context = Buffer.concat([authMode, ...hashes]);
  const scheduled = hpke.extract(sharedSecret, "secret", empty);
  const key = Uint8Array.from(hpke.expand(scheduled, "key", context, 32));
  const iv = Uint8Array.from(hpke.expand(scheduled, "base_nonce", context, 12));
  return aesGcmOpen(sealedCek, { key, iv, aad });
}
