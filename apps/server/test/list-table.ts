import { type KeyObject, createHash, createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import {
  type Bytes,
  type DeviceListFields,
  decodeBase64url,
  deviceListSignedBytes,
  encodeDeviceList,
  parseDeviceList,
} from "@sotto/schema";
import type { Store } from "@sotto/sdk";
import type { TestUser } from "./sdk-fixtures.ts";
import { runSql } from "./sql.ts";

interface Signer {
  uik: Bytes;
  privateKey: KeyObject;
}

/** The lists of a user as the server has them, to be changed behind everybody's back. */
export class ListTable {
  readonly #databaseUrl: string;
  readonly #userId: string;

  constructor(databaseUrl: string, { userId }: TestUser) {
    this.#databaseUrl = databaseUrl;
    this.#userId = userId;
  }

  async read() {
    const rows = await runSql(
      this.#databaseUrl,
      `select encode(list, 'base64') as list from device_lists where user_id = '${this.#userId}' order by version`,
    );
    return rows.map(({ list }) => {
      const bytes = Uint8Array.from(Buffer.from(String(list), "base64"));
      return { bytes, parts: parseDeviceList(Buffer.from(bytes).toString("base64url")) };
    });
  }

  async append(bytes: Bytes): Promise<void> {
    const { version } = parseDeviceList(Buffer.from(bytes).toString("base64url"));
    const hash = createHash("sha256").update(bytes).digest("hex");
    await runSql(
      this.#databaseUrl,
      `insert into device_lists (user_id, version, list, hash, published_at)
       values ('${this.#userId}', ${version}, '\\x${Buffer.from(bytes).toString("hex")}', '\\x${hash}', now())`,
    );
  }

  async dropAbove(version: number): Promise<void> {
    await runSql(
      this.#databaseUrl,
      `delete from device_lists where user_id = '${this.#userId}' and version > ${version}`,
    );
  }
}

/** The identity key that a device keeps in its store: whoever steals the device has it. */
export async function stealKey(store: Store): Promise<Signer> {
  const kept = (await store.get("identity-key")) as { uik: Bytes; uikPrivate: Bytes };
  const key = Buffer.from(kept.uikPrivate);
  return { uik: kept.uik, privateKey: createPrivateKey({ key, format: "der", type: "pkcs8" }) };
}

/**
 * The list that follows, signed by a key of whoever makes it up, or by a stolen one; `uik` without `privateKey`: it names
 * this key instead.
 */
export function makeUp(
  before: { bytes: Bytes; parts: DeviceListFields },
  { devices, uik, ...signer }: Partial<Pick<DeviceListFields, "devices"> & Signer>,
): Bytes {
  const made = generateKeyPairSync("ed25519");
  const { publicKey } = made;
  const { privateKey = made.privateKey } = signer;
  const fields = {
    ...before.parts,
    version: before.parts.version + 1,
    prevHash: Uint8Array.from(createHash("sha256").update(before.bytes).digest()),
    devices: devices ?? [],
    uik: uik ?? Uint8Array.from(publicKey.export({ type: "spki", format: "der" }).subarray(-32)),
  };
  const signature = Uint8Array.from(sign(null, deviceListSignedBytes(fields), privateKey));
  return decodeBase64url(encodeDeviceList({ ...fields, signature }));
}
