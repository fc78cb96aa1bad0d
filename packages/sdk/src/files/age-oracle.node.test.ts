/** Files against age by the text of its specification (age-encryption.org/v1), on node:crypto alone, both ways. */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  randomBytes,
} from "node:crypto";
import { bech32 } from "@scure/base";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decryptFile } from "./decrypt-file.ts";
import { encryptFile } from "./encrypt-file.ts";
import { paddedFileLength } from "./file-padding.ts";

const intro = "age-encryption.org/v1";
const chunkBytes = 65_536;
const tagBytes = 16;
const algorithm = "chacha20-poly1305";

const base64 = (bytes: Buffer): string => bytes.toString("base64").replaceAll("=", "");
const hkdf = (secret: Buffer, salt: Buffer, info: string): Buffer =>
  Buffer.from(hkdfSync("sha256", secret, salt, info, 32));
const keyOf = (scalar: Buffer) =>
  createPrivateKey({
    key: Buffer.concat([Buffer.from("302e020100300506032b656e04220420", "hex"), scalar]),
    format: "der",
    type: "pkcs8",
  });
const publicBytes = (key: Parameters<typeof createPublicKey>[0]): Buffer =>
  createPublicKey(key).export({ type: "spki", format: "der" }).subarray(-32);
const publicKeyOf = (bytes: Buffer) =>
  createPublicKey({
    key: Buffer.concat([Buffer.from("302a300506032b656e032100", "hex"), bytes]),
    format: "der",
    type: "spki",
  });

/** Eleven bytes of a counter, and whether the chunk is the last. */
function chunkNonce(at: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(at, 5, 6);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}

function open(sealed: Buffer, key: Buffer, nonce: Buffer): Buffer {
  const decipher = createDecipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  return Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()]);
}

function seal(plain: Buffer, key: Buffer, nonce: Buffer): Buffer {
  const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function inChunks(bytes: Buffer, size: number): Buffer[] {
  const count = Math.max(1, Math.ceil(bytes.length / size));
  return Array.from({ length: count }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
}

function openByTheBook(file: Buffer, identity: string): Buffer {
  const scalar = Buffer.from(bech32.decodeToBytes(identity).bytes);
  const end = file.indexOf("\n", file.indexOf("\n--- ") + 1);
  const [first, stanza = "", body = "", footer = ""] = file.subarray(0, end).toString().split("\n");
  expect(first).toBe(intro);
  const [, type, share = ""] = stanza.split(" ");
  expect(type).toBe("X25519");
  const ephemeral = Buffer.from(share, "base64");
  const recipient = publicBytes(keyOf(scalar).export({ type: "pkcs8", format: "pem" }));
  const shared = diffieHellman({ privateKey: keyOf(scalar), publicKey: publicKeyOf(ephemeral) });
  const wrapKey = hkdf(shared, Buffer.concat([ephemeral, recipient]), "age-encryption.org/v1/X25519");
  const fileKey = open(Buffer.from(body, "base64"), wrapKey, Buffer.alloc(12));
  const mac = createHmac("sha256", hkdf(fileKey, Buffer.alloc(0), "header"));
  mac.update(file.subarray(0, file.indexOf("\n--- ") + 4));
  expect(footer).toBe(`--- ${base64(mac.digest())}`);
  const payload = file.subarray(end + 1);
  const key = hkdf(fileKey, payload.subarray(0, 16), "payload");
  const chunks = inChunks(payload.subarray(16), chunkBytes + tagBytes);
  return Buffer.concat(chunks.map((chunk, at) => open(chunk, key, chunkNonce(at, at === chunks.length - 1))));
}

function sealByTheBook(plain: Buffer): { file: Buffer; identity: string } {
  const scalar = randomBytes(32);
  const recipient = publicBytes(keyOf(scalar).export({ type: "pkcs8", format: "pem" }));
  const ephemeral = generateKeyPairSync("x25519");
  const share = ephemeral.publicKey.export({ type: "spki", format: "der" }).subarray(-32);
  const shared = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: publicKeyOf(recipient) });
  const wrapKey = hkdf(shared, Buffer.concat([share, recipient]), "age-encryption.org/v1/X25519");
  const fileKey = randomBytes(16);
  const body = base64(seal(fileKey, wrapKey, Buffer.alloc(12)));
  const header = `${intro}\n-> X25519 ${base64(share)}\n${body}\n---`;
  const mac = createHmac("sha256", hkdf(fileKey, Buffer.alloc(0), "header"))
    .update(header)
    .digest();
  const nonce = randomBytes(16);
  const key = hkdf(fileKey, nonce, "payload");
  const chunks = inChunks(plain, chunkBytes);
  return {
    file: Buffer.concat([
      Buffer.from(`${header} ${base64(mac)}\n`),
      nonce,
      ...chunks.map((chunk, at) => seal(chunk, key, chunkNonce(at, at === chunks.length - 1))),
    ]),
    identity: bech32.encodeFromBytes("AGE-SECRET-KEY-", scalar).toUpperCase(),
  };
}

const sizes = fc.oneof(
  fc.constantFrom(0, 1, chunkBytes - 1, chunkBytes, chunkBytes + 1, 3 * chunkBytes),
  fc.nat(200_000),
);
const padded = (bytes: Buffer): Buffer => {
  const all = Buffer.alloc(paddedFileLength(bytes.length));
  bytes.copy(all);
  return all;
};

test("what the SDK encrypts opens by the book", { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(sizes, async (size) => {
      const bytes = randomBytes(size);
      const { stream, seal: sealing } = await encryptFile(new Blob([bytes]));
      const file = Buffer.from(
        await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer(),
      );
      const opened = openByTheBook(file, (await sealing).ageIdentity);
      expect(opened.equals(padded(bytes))).toBe(true);
    }),
    { numRuns: 12 },
  );
});

test("what is encrypted by the book opens in the SDK", { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(sizes, async (size) => {
      const bytes = randomBytes(size);
      const { file, identity } = sealByTheBook(padded(bytes));
      const stream = decryptFile(new Blob([Uint8Array.from(file)]), {
        ageIdentity: identity,
        ciphertextSize: file.length,
        ciphertextSha256: Uint8Array.from(createHash("sha256").update(file).digest()),
        size,
      });
      const opened = await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer();
      expect(Buffer.from(opened).equals(bytes)).toBe(true);
    }),
    { numRuns: 12 },
  );
});
