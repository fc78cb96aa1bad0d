/** Opens docs/vectors twice: with the SDK, and with node:crypto and another HPKE in the steps of docs/PROTOCOL.md. */
import { createDecipheriv, createHash, createPublicKey, hkdfSync, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { XWing } from "@hpke/hybridkem-x-wing";
import { KEM_MLKEM768_X25519 as oracleXWing } from "@panva/hpke-noble";
import { decodeHex, encodeBase64url, encodeCbor, encodeHex, rosterBytes, uuidToBytes } from "@sotto/schema";
import * as oracle from "hpke";
import { describe, expect, it } from "vitest";
import type { DeviceKeys, HpkeKey } from "./device-keys.ts";
import { generateXWing } from "./kems.ts";
import { makePublicKey, verifyDevicePublicKey } from "./key-bundle.ts";
import { openEnvelope } from "./open-envelope.ts";
import { type Curve, importKeyPair } from "./primitives.ts";

/** Byte strings are hexadecimal. */
interface VectorFile {
  now_ms: number;
  devices: Record<
    string,
    {
      user_id: string;
      device_id: string;
      public_key: string;
      dik: RawPair | null;
      x25519: RawPair & { kid: string };
      /** Its private key is the seed. */
      x_wing?: RawPair & { kid: string };
    }
  >;
  roster: { cbor: string; sha256: string };
  messages: {
    title: string;
    input: {
      sender: string;
      conversation_id: string;
      message_id: string;
      counter: number;
      class: number;
      text: string;
      sent_at_ms: number;
    };
    steps: Record<StepName, string> & { signature: string | null };
    ciphertext: string;
    recipients: {
      device: string;
      hpke_mode: "base" | "auth";
      /** X25519 where there is none. */
      kem_id?: number;
      aad_cbor: string;
      /** Of X-Wing: the randomness of the encapsulation, and its result. */
      eseed?: string;
      shared_secret?: string;
      enc: string;
      sealed_cek: string;
      wrap_cbor: string;
      wrap: string;
    }[];
  }[];
}
interface RawPair {
  private: string;
  public: string;
}
type StepName =
  | "header_cbor"
  | "payload_cbor"
  | "signed_cbor"
  | "inner_cbor"
  | "padded_inner"
  | "cek"
  | "aes_key"
  | "key_commit"
  | "iv"
  | "ct"
  | "body_cbor"
  | "body_sha256";

const readVectors = (name: string) =>
  JSON.parse(
    readFileSync(new URL(`../../../../docs/vectors/${name}`, import.meta.url), "utf8"),
  ) as VectorFile;

/** PKCS #8 of RFC 8410: a fixed prefix and the 32 bytes. */
function importRaw(curve: Curve, keys: RawPair) {
  const prefix = `302e020100300506032b65${curve === "Ed25519" ? "70" : "6e"}04220420`;
  return importKeyPair(curve, {
    pkcs8: decodeHex(prefix + keys.private),
    publicKeyBytes: decodeHex(keys.public),
    extractable: true,
  });
}

const sha256Hex = (hex: string): string => createHash("sha256").update(hex, "hex").digest("hex");
const cborHex = (value: unknown): string => encodeHex(encodeCbor(value));

describe.each(["sealed-v1.json", "sealed-v1-x-wing.json"])("%s", (file) => {
  const { now_ms: now, devices, roster, messages } = readVectors(file);

  function deviceOf(name: string) {
    const device = devices[name];
    if (!device) throw new Error(`no device ${name}`);
    return device;
  }

  async function keysOf(name: string): Promise<DeviceKeys> {
    const { user_id: userId, device_id: deviceId, dik, x25519, x_wing: xWing } = deviceOf(name);
    const x25519Pair = await importRaw("X25519", x25519);
    const hpkeKeys: HpkeKey[] = [{ kid: x25519.kid, kemId: 0x20, pair: x25519Pair, createdAtMs: now }];
    if (xWing) {
      const pair = { seed: decodeHex(xWing.private), publicKeyBytes: decodeHex(xWing.public) };
      hpkeKeys.push({ kid: xWing.kid, kemId: 0x647a, pair, createdAtMs: now });
    }
    return { userId, deviceId, dik: dik && (await importRaw("Ed25519", dik)), hpkeKeys };
  }

  const addresses = Object.values(devices).map(({ user_id: userId, device_id: deviceId }) => ({
    userId,
    deviceId,
  }));
  const received = messages.flatMap((message) =>
    message.recipients.map((recipient) => ({
      message,
      recipient,
      name: `${message.title}: ${recipient.device}`,
    })),
  );

  describe("the published vectors", () => {
    it.each(Object.keys(devices))("hold the keys that %s publishes", async (name) => {
      const { public_key: publicKey, x25519, x_wing: xWing } = deviceOf(name);
      expect(await makePublicKey(await keysOf(name), now)).toBe(publicKey);
      for (const key of [x25519, ...(xWing ? [xWing] : [])]) {
        expect(sha256Hex(key.public).slice(0, 16)).toBe(key.kid);
      }
      if (xWing) {
        expect(encodeHex((await generateXWing(decodeHex(xWing.private))).publicKeyBytes)).toBe(xWing.public);
      }
    });

    it.each(received)("open with the SDK: $name", async ({ message, recipient }) => {
      const { input } = message;
      const { user_id: userId, device_id: deviceId, public_key: publicKey } = deviceOf(input.sender);
      const verdict = await verifyDevicePublicKey(publicKey, { userId, deviceId, now });
      if (!verdict.ok) throw new Error(verdict.reason);
      const opened = await openEnvelope({
        body: message.ciphertext,
        wrap: recipient.wrap,
        claims: {
          conversationId: input.conversation_id,
          senderUserId: userId,
          senderDeviceId: deviceId,
          messageId: input.message_id,
        },
        sender: verdict.device,
        keys: await keysOf(recipient.device),
        roster: addresses,
      });
      expect(opened.payload).toEqual({ kind: "text", text: input.text, sentAtMs: input.sent_at_ms });
      expect(opened.header).toMatchObject({
        counter: input.counter,
        class: input.class === 0 ? "content" : "control",
      });
      expect(opened.assurance).toBe(recipient.hpke_mode === "base" ? "signed" : "basic");
      expect(opened.kem).toBe(recipient.kem_id === 0x647a ? "x-wing" : "x25519");
    });

    it.each(messages)("follow step by step: $title", ({ input, steps, ciphertext, recipients }) => {
      const sender = deviceOf(input.sender);
      expect(encodeHex(rosterBytes(addresses))).toBe(roster.cbor);
      expect(sha256Hex(roster.cbor)).toBe(roster.sha256);
      const header = [
        "sealed/v1",
        1,
        uuidToBytes(input.conversation_id),
        uuidToBytes(sender.user_id),
        uuidToBytes(sender.device_id),
        uuidToBytes(input.message_id),
        input.counter,
        input.class,
        decodeHex(roster.sha256),
      ];
      expect(cborHex(header)).toBe(steps.header_cbor);
      const payload = encodeCbor(["text/v1", { text: input.text, sentAt: input.sent_at_ms }]);
      expect(encodeHex(payload)).toBe(steps.payload_cbor);
      const signed = encodeCbor(["sealed/v1/sig", header, payload]);
      expect(encodeHex(signed)).toBe(steps.signed_cbor);
      const signature = steps.signature === null ? null : decodeHex(steps.signature);
      if (sender.dik && signature) {
        const jwk = { kty: "OKP", crv: "Ed25519", x: encodeBase64url(decodeHex(sender.dik.public)) };
        expect(verify(null, signed, createPublicKey({ key: jwk, format: "jwk" }), signature)).toBe(true);
      }
      expect(cborHex([payload, signature])).toBe(steps.inner_cbor);

      const cek = decodeHex(steps.cek);
      const derived = Buffer.from(hkdfSync("sha256", cek, uuidToBytes(input.message_id), "sealed/v1", 64));
      expect(derived.toString("hex")).toBe(steps.aes_key + steps.key_commit);
      const ct = decodeHex(steps.ct);
      const aes = createDecipheriv("aes-256-gcm", derived.subarray(0, 32), decodeHex(steps.iv));
      aes.setAAD(decodeHex(steps.header_cbor)).setAuthTag(ct.subarray(-16));
      const padded = Buffer.concat([aes.update(ct.subarray(0, -16)), aes.final()]);
      expect(padded.toString("hex")).toBe(steps.padded_inner);
      expect(steps.padded_inner).toBe(`${steps.inner_cbor}80`.padEnd(512, "0"));

      const body = cborHex([header, decodeHex(steps.iv), decodeHex(steps.key_commit), ct]);
      expect(body).toBe(steps.body_cbor);
      expect(encodeBase64url(decodeHex(body))).toBe(ciphertext);
      expect(sha256Hex(body)).toBe(steps.body_sha256);

      for (const recipient of recipients) {
        const { device, aad_cbor: aad, enc, sealed_cek: sealedCek, wrap_cbor: bytes, wrap } = recipient;
        const { device_id: deviceId, x25519, x_wing: xWing } = deviceOf(device);
        const kemId = recipient.kem_id ?? 0x20;
        const kid = decodeHex((kemId === 0x20 ? x25519 : xWing)?.kid ?? "");
        expect(cborHex([deviceId, kid, decodeHex(steps.body_sha256)])).toBe(aad);
        expect(cborHex([kid, kemId, decodeHex(enc), decodeHex(sealedCek)])).toBe(bytes);
        expect(encodeBase64url(decodeHex(bytes))).toBe(wrap);
      }
    });

    const baseMode = received.filter(({ recipient }) => recipient.hpke_mode === "base");
    it.each(baseMode)("have wraps that another HPKE opens: $name", async ({ message, recipient }) => {
      const { x25519, x_wing: xWing } = deviceOf(recipient.device);
      const isXWing = recipient.kem_id === 0x647a;
      const kem = isXWing ? oracleXWing : oracle.KEM_DHKEM_X25519_HKDF_SHA256;
      const suite = new oracle.CipherSuite<oracle.Key>(kem, oracle.KDF_HKDF_SHA256, oracle.AEAD_AES_256_GCM);
      const privateKey = await suite.DeserializePrivateKey(
        decodeHex((isXWing ? xWing : x25519)?.private ?? ""),
        true,
      );
      const [enc, sealedCek] = [decodeHex(recipient.enc), decodeHex(recipient.sealed_cek)];
      const options = { info: new TextEncoder().encode("sealed/v1"), aad: decodeHex(recipient.aad_cbor) };
      expect(encodeHex(await suite.Open(privateKey, enc, sealedCek, options))).toBe(message.steps.cek);
    });

    const derandomised = received.filter(({ recipient }) => recipient.eseed !== undefined);
    it.each(derandomised)("encapsulate as their eseed says: $name", async ({ recipient }) => {
      const kem = new XWing();
      const recipientPublicKey = await kem.deserializePublicKey(
        decodeHex(deviceOf(recipient.device).x_wing?.public ?? ""),
      );
      const ekm = decodeHex(recipient.eseed ?? "");
      const { enc, sharedSecret } = await kem.encap({ recipientPublicKey, ekm });
      expect(encodeHex(new Uint8Array(enc))).toBe(recipient.enc);
      expect(encodeHex(new Uint8Array(sharedSecret))).toBe(recipient.shared_secret);
    });
  });
});
