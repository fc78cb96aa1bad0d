/** Writes docs/vectors/devlist-v1.json from fixed keys (`--update` writes it anew), and has another library judge it. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { ed25519 } from "@noble/curves/ed25519.js";
import {
  type Bytes,
  type DeviceListFields,
  decodeHex,
  deviceListSignedBytes,
  encodeHex,
  parseDeviceList,
} from "@sotto/schema";
import { beforeAll, expect, test } from "vitest";
import { signDeviceList } from "./device-list.ts";
import { type KeyPair, importKeyPair } from "./primitives.ts";

const file = join(import.meta.dirname, "../../../../docs/vectors/devlist-v1.json");
const userId = "0198c0de-0000-7000-8000-00000000a11c";
const nowMs = Date.UTC(2026, 0, 15, 12);
const issuedSec = nowMs / 1000;
/** RFC 8410: what stands before the 32 bytes of an Ed25519 private key. */
const pkcs8Prefix = decodeHex("302e020100300506032b657004220420");

const seedOf = (name: string): Bytes =>
  new Uint8Array(createHash("sha256").update(`vectors: ${name}`).digest());
const sha256 = (bytes: Uint8Array): Bytes => new Uint8Array(createHash("sha256").update(bytes).digest());
const publicOf = (name: string): Bytes => new Uint8Array(ed25519.getPublicKey(seedOf(name)));
const pairOf = (name: string): Promise<KeyPair> =>
  importKeyPair("Ed25519", {
    pkcs8: new Uint8Array([...pkcs8Prefix, ...seedOf(name)]),
    publicKeyBytes: publicOf(name),
    extractable: false,
  });

const phone = {
  deviceId: "0198c0de-0000-7000-8000-00000000d001",
  dik: publicOf("phone"),
  addedSec: issuedSec,
};
const tablet = {
  deviceId: "0198c0de-0000-7000-8000-00000000d002",
  dik: publicOf("tablet"),
  addedSec: issuedSec + 60,
};

const lists = new Map<string, string>();
const listOf = (name: string): string => lists.get(name) ?? "";
const hashOf = (name: string): Bytes => sha256(parseDeviceList(listOf(name)).bytes);

async function add(
  name: string,
  fields: Pick<DeviceListFields, "version" | "prevHash" | "devices">,
  signer = "uik",
): Promise<void> {
  const { privateKey, publicKey } = await pairOf(signer);
  const by = { privateKey, publicKey, publicKeyBytes: publicOf("uik") };
  const issued = issuedSec + 60 * (fields.version - 1);
  lists.set(name, await signDeviceList({ userId, issuedSec: issued, ...fields }, by));
}

beforeAll(async () => {
  await add("first", { version: 1, prevHash: null, devices: [phone] });
  await add("addition", { version: 2, prevHash: hashOf("first"), devices: [phone, tablet] });
  await add("removal", { version: 3, prevHash: hashOf("addition"), devices: [tablet] });
  await add("fork", { version: 2, prevHash: hashOf("first"), devices: [phone] });
  await add("wrong_prev_hash", { version: 3, prevHash: hashOf("first"), devices: [tablet] });
  await add("gap", { version: 4, prevHash: hashOf("addition"), devices: [tablet] });
  await add(
    "wrong_signature",
    { version: 3, prevHash: hashOf("addition"), devices: [phone, tablet] },
    "another",
  );
});

interface Case {
  title: string;
  /** The list that was accepted before; null at first contact. */
  pinned: string | null;
  currentVersion: number;
  given: string[];
  verdict: string;
}
const cases: Case[] = [
  { title: "the first list", pinned: null, currentVersion: 1, given: ["first"], verdict: "accepted" },
  {
    title: "the newest at first contact",
    pinned: null,
    currentVersion: 3,
    given: ["removal"],
    verdict: "accepted",
  },
  { title: "nothing new", pinned: "first", currentVersion: 1, given: ["first"], verdict: "accepted" },
  {
    title: "a device is added",
    pinned: "first",
    currentVersion: 2,
    given: ["first", "addition"],
    verdict: "accepted",
  },
  {
    title: "one is added, another removed",
    pinned: "first",
    currentVersion: 3,
    given: ["first", "addition", "removal"],
    verdict: "accepted",
  },
  {
    title: "prev_hash is not of the list before",
    pinned: "first",
    currentVersion: 3,
    given: ["first", "addition", "wrong_prev_hash"],
    verdict: "broken_chain",
  },
  {
    title: "signed by another key than it names",
    pinned: "addition",
    currentVersion: 3,
    given: ["addition", "wrong_signature"],
    verdict: "signature_invalid",
  },
  {
    title: "a version is left out, though prev_hash is right",
    pinned: "addition",
    currentVersion: 4,
    given: ["addition", "gap"],
    verdict: "broken_chain",
  },
  {
    title: "a list between is withheld",
    pinned: "first",
    currentVersion: 3,
    given: ["first", "removal"],
    verdict: "broken_chain",
  },
  {
    title: "an earlier end",
    pinned: "addition",
    currentVersion: 1,
    given: ["first"],
    verdict: "rolled_back",
  },
  {
    title: "another list in the pinned one's place",
    pinned: "addition",
    currentVersion: 2,
    given: ["fork"],
    verdict: "forked",
  },
];

function describeList(name: string) {
  const {
    version,
    prevHash,
    issuedSec: issued,
    devices,
    signature,
    bytes,
    ...rest
  } = parseDeviceList(listOf(name));
  return {
    name,
    version,
    prev_hash: prevHash && encodeHex(prevHash),
    issued,
    devices: devices.map(({ deviceId, dik, addedSec }) => ({
      device_id: deviceId,
      dik: encodeHex(dik),
      added: addedSec,
    })),
    signed_cbor: encodeHex(deviceListSignedBytes({ version, prevHash, issuedSec: issued, devices, ...rest })),
    signature: encodeHex(signature),
    sha256: encodeHex(sha256(bytes)),
    list: listOf(name),
  };
}

test("docs/vectors/devlist-v1.json is what the fixed keys give", async () => {
  const page = {
    format: "devlist/v1",
    note: "Keys of no one, made for these vectors. Byte strings are lower-case hexadecimal; list is as it travels.",
    now_ms: nowMs,
    user_id: userId,
    uik: { private: encodeHex(seedOf("uik")), public: encodeHex(publicOf("uik")) },
    lists: [...lists.keys()].map(describeList),
    cases: cases.map(({ title, pinned, currentVersion, given, verdict }) => ({
      title,
      pinned,
      current_version: currentVersion,
      lists: given,
      verdict,
    })),
  };
  await expect(`${JSON.stringify(page, null, 2)}\n`).toMatchFileSnapshot(file);
});

test("another library finds one signature wrong, and no other", () => {
  const wrong = [...lists.keys()].filter((name) => {
    const parts = parseDeviceList(listOf(name));
    return !ed25519.verify(parts.signature, deviceListSignedBytes(parts), parts.uik);
  });
  expect(wrong).toEqual(["wrong_signature"]);
});
