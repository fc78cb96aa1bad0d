/**
 * Secrets that are used up are overwritten: what was made, derived, decrypted or imported is looked at afterwards. What
 * WebCrypto, the libraries and JavaScript's strings hold of them cannot be seen, nor wiped.
 */
import { type Bytes, encodeHex } from "@sotto/schema";
import { afterEach, describe, expect, test, vi } from "vitest";
import { generateRecoveryKey, unwrapRecoveryKey, wrapRecoveryKey } from "../backup/recovery-key.ts";
import { createStoreKey, openStoreKey } from "../storage/store-key.ts";
import { argon2id } from "./argon2id.ts";
import { exportDeviceKeys } from "./device-keys.ts";
import { newDevice, sendOne } from "./fixtures.ts";
import { openEnvelope } from "./open-envelope.ts";

const { subtle } = crypto;
type Method = "decrypt" | "deriveBits" | "exportKey" | "importKey";
/** A buffer that held a secret, and what it held. */
interface Secret {
  by: Method | "getRandomValues";
  now: Bytes;
  was: Bytes;
}

afterEach(() => vi.restoreAllMocks());

/** What passes between this code and the platform, as long as a test runs. */
function watchSecrets(): Secret[] {
  const secrets: Secret[] = [];
  const see = (by: Secret["by"], value: unknown): void => {
    const now = value instanceof ArrayBuffer ? new Uint8Array(value) : value;
    if (now instanceof Uint8Array) secrets.push({ by, now: now as Bytes, was: Uint8Array.from(now) });
  };
  const watch = (by: Method, find: (input: unknown[], result: unknown) => unknown): void => {
    const real = subtle[by].bind(subtle) as (...input: unknown[]) => Promise<unknown>;
    vi.spyOn(subtle, by).mockImplementation((async (...input: unknown[]) => {
      const given = by === "importKey" ? find(input, undefined) : undefined;
      see(by, given);
      const result = await real(...input);
      if (given === undefined) see(by, find(input, result));
      return result;
    }) as never);
  };
  watch("decrypt", (_, result) => result);
  watch("deriveBits", (_, result) => result);
  watch("exportKey", ([format], result) => (format === "pkcs8" ? result : undefined));
  watch("importKey", ([format, data, algorithm]) => {
    const isSecret = algorithm === "AES-GCM" || format === "raw-secret";
    return isSecret ? data : undefined;
  });
  const random = crypto.getRandomValues.bind(crypto);
  vi.spyOn(crypto, "getRandomValues").mockImplementation((array) => {
    const made = random(array);
    see("getRandomValues", made);
    return made;
  });
  return secrets;
}

function expectWiped(secrets: Secret[], count: number): void {
  expect(secrets).toHaveLength(count);
  for (const { now, was } of secrets) {
    expect(was.some((byte) => byte !== 0)).toBe(true);
    expect(now.every((byte) => byte === 0)).toBe(true);
  }
}

const of = (secrets: Secret[], by: Secret["by"], length: number): Secret[] =>
  secrets.filter((secret) => secret.by === by && secret.was.length === length);
/** The half of what was derived that is a key; the other one is in the message. */
const contentKeys = (secrets: Secret[]): Secret[] =>
  of(secrets, "deriveBits", 64).map(({ by, now, was }) => ({ by, now: now.subarray(0, 32), was }));
/** The application may go on with what it gave. */
const without = (secrets: Secret[], given: Uint8Array): Secret[] =>
  secrets.filter(({ now }) => now !== given);

describe.each(["off", "require"] as const)("of a message, pq %s:", (pq) => {
  test("sealing leaves neither the content key nor what is derived from it", async () => {
    const [alice, bob] = await Promise.all([newDevice(), newDevice()]);
    const secrets = watchSecrets();
    await sendOne(alice, bob, { pq });
    expectWiped(of(secrets, "getRandomValues", 32).slice(0, 1), 1);
    expectWiped(contentKeys(secrets), 1);
  });

  test("neither does opening", async () => {
    const [alice, bob] = await Promise.all([newDevice(), newDevice()]);
    const sent = await sendOne(alice, bob, { pq });
    const secrets = watchSecrets();
    await openEnvelope(sent);
    expectWiped(of(secrets, "decrypt", 32), 1);
    expectWiped(contentKeys(secrets), 1);
  });

  test("nor opening one that is refused", async () => {
    const [alice, bob, eve] = await Promise.all([newDevice(), newDevice(), newDevice()]);
    const { verified } = eve;
    const { userId, deviceId } = alice.verified;
    const sent = { ...(await sendOne(alice, bob, { pq })), sender: { ...verified, userId, deviceId } };
    const secrets = watchSecrets();
    await expect(openEnvelope(sent)).rejects.toMatchObject({ code: "signature_invalid" });
    expectWiped(of(secrets, "decrypt", 32), 1);
    expectWiped(contentKeys(secrets), 1);
  });
});

test("Argon2id does not leave the passphrase", async () => {
  const secrets = watchSecrets();
  const parameters = { memoryKiB: 64, iterations: 1, parallelism: 1, salt: new Uint8Array(16) };
  await argon2id("a passphrase", parameters);
  expectWiped(of(secrets, "importKey", 12), 1);
});

test(
  "a passphrase's store leaves neither the store's key nor the passphrase's",
  { timeout: 60_000 },
  async () => {
    const secrets = watchSecrets();
    const { header } = await createStoreKey({ passphrase: "p" });
    expectWiped(of(secrets, "getRandomValues", 32), 1);
    expectWiped(of(secrets, "importKey", 32), 2);
    secrets.length = 0;
    await openStoreKey(header, { passphrase: "p" });
    expectWiped(of(secrets, "decrypt", 32), 1);
    expectWiped(of(secrets, "importKey", 32), 2);
  },
);

test("a key's store leaves the application's key as it is", async () => {
  const key = new Uint8Array(32).fill(1);
  const secrets = watchSecrets();
  const { header } = await createStoreKey({ key });
  await openStoreKey(header, { key });
  expect(key).toEqual(new Uint8Array(32).fill(1));
  expectWiped(without(of(secrets, "importKey", 32), key), 2);
});

test("a wrapped recovery key does not leave the passphrase's key", { timeout: 60_000 }, async () => {
  const recoveryKey = await generateRecoveryKey();
  const secrets = watchSecrets();
  await unwrapRecoveryKey(await wrapRecoveryKey(recoveryKey, "p"), "p");
  expectWiped(of(secrets, "importKey", 32), 2);
});

test("exported device keys are in what is exported, and nowhere else", async () => {
  const { keys } = await newDevice();
  const secrets = watchSecrets();
  const exported = encodeHex(await exportDeviceKeys(keys));
  const parts = secrets.filter(({ by }) => by === "exportKey");
  for (const { was } of parts) expect(exported).toContain(encodeHex(was));
  expectWiped(parts, 2);
  const seeds = keys.hpkeKeys.flatMap(({ pair }) => ("seed" in pair ? [pair.seed] : []));
  expect(seeds).toHaveLength(1);
  for (const seed of seeds) expect(exported).toContain(encodeHex(seed));
});
