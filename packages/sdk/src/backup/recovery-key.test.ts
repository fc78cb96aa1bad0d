import { createDecipheriv } from "node:crypto";
import { argon2id } from "@noble/hashes/argon2.js";
import { cborItem, decodeBase64url, decodeCbor, encodeBase64url, encodeCbor } from "@sotto/schema";
import { identityToRecipient } from "age-encryption";
import { expect, test, vi } from "vitest";
import {
  generateRecoveryKey,
  readRecoveryKey,
  rewrapRecoveryKey,
  unwrapRecoveryKey,
  wrapRecoveryKey,
} from "./recovery-key.ts";

const prefix = "sotto-backup-key:1.";
const itemsOf = (wrapped: string) =>
  cborItem.array(decodeCbor(decodeBase64url(wrapped.slice(prefix.length)), 512), "wrapped", 8);

test("a recovery key is read however it is written, and a mistyped one is found out", async () => {
  const shown = await generateRecoveryKey();
  expect(shown).toMatch(/^([0-9A-Z]{6}-){9}[0-9A-Z]{4}$/);
  const { identity, recipient } = await readRecoveryKey(shown);
  expect(recipient).toBe(await identityToRecipient(identity));
  for (const text of [
    identity,
    shown.toLowerCase(),
    ` ${shown.replaceAll("-", " ")}\n`,
    identity.toLowerCase(),
  ])
    expect(await readRecoveryKey(text)).toEqual({ identity, recipient });
  const letters = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
  for (let at = 0; at < shown.length; at += 7) {
    const other = letters[(letters.indexOf(shown[at] ?? "") + 1) % letters.length] ?? "";
    const mistyped = shown.slice(0, at) + other + shown.slice(at + 1);
    await expect(readRecoveryKey(mistyped), mistyped).rejects.toMatchObject({ code: "RECOVERY_KEY_INVALID" });
  }
  const swapped = shown.replace(/^(.)(.)/, "$2$1");
  if (swapped !== shown)
    await expect(readRecoveryKey(swapped)).rejects.toMatchObject({ code: "RECOVERY_KEY_INVALID" });
  for (const text of ["", "AGE-SECRET-KEY-1", shown.slice(0, -1), `${shown}Q`])
    await expect(readRecoveryKey(text)).rejects.toMatchObject({ code: "RECOVERY_KEY_INVALID" });
});

test("a wrapped key opens with its passphrase, which independent libraries confirm", async () => {
  const shown = await generateRecoveryKey();
  const wrapped = await wrapRecoveryKey(shown, "correct horse");
  expect(await unwrapRecoveryKey(` ${wrapped}\n`, "correct horse")).toBe(shown);
  await expect(unwrapRecoveryKey(wrapped, "wrong horse")).rejects.toMatchObject({ code: "WRONG_PASSPHRASE" });

  const [name, kdf, m, t, p, salt, iv, ct] = itemsOf(wrapped);
  expect([name, kdf, m, t, p]).toEqual(["backup/v1", "argon2id", 65_536, 3, 1]);
  const [saltBytes, ivBytes, sealed] = [salt, iv, ct].map((item) => cborItem.bytes(item, "bytes"));
  if (!saltBytes || !ivBytes || !sealed) throw new Error("not wrapped");
  const key = argon2id("correct horse", saltBytes, { m: 65_536, t: 3, p: 1, dkLen: 32 });
  const decipher = createDecipheriv("aes-256-gcm", key, ivBytes);
  decipher.setAAD(encodeCbor([name, kdf, m, t, p, salt, iv]));
  decipher.setAuthTag(sealed.subarray(-16));
  const opened = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
  expect(opened.toString()).toBe((await readRecoveryKey(shown)).identity);
}, 60_000);

test("a wrapped key is given another passphrase; the old one does not open what was made", async () => {
  const shown = await generateRecoveryKey();
  const wrapped = await wrapRecoveryKey(shown, "old");
  const next = await rewrapRecoveryKey(wrapped, "old", "new");
  expect(await unwrapRecoveryKey(next, "new")).toBe(shown);
  await expect(unwrapRecoveryKey(next, "old")).rejects.toMatchObject({ code: "WRONG_PASSPHRASE" });
  expect(await unwrapRecoveryKey(wrapped, "old")).toBe(shown);
  await expect(rewrapRecoveryKey(wrapped, "new", "newer")).rejects.toMatchObject({
    code: "WRONG_PASSPHRASE",
  });
  await expect(rewrapRecoveryKey(wrapped, "old", "")).rejects.toMatchObject({ code: "INVALID_INPUT" });
}, 60_000);

test("a memory bomb is refused before it goes off, and what was altered is refused", async () => {
  const wrapped = await wrapRecoveryKey(await generateRecoveryKey(), "p");
  const items = itemsOf(wrapped);
  const withItem = (at: number, value: unknown): string =>
    prefix + encodeBase64url(encodeCbor(items.map((item, place) => (place === at ? value : item))));
  const bombs = [
    withItem(2, 2 ** 32 - 1),
    withItem(2, 262_145),
    withItem(2, 7),
    withItem(3, 1_000_000),
    withItem(3, 0),
    withItem(4, 255),
    withItem(4, 0),
    withItem(5, new Uint8Array(8)),
  ];
  for (const bomb of bombs) {
    await expect(unwrapRecoveryKey(bomb, "p")).rejects.toMatchObject({
      code: "BACKUP_REFUSED",
      details: { reason: "parameters" },
    });
  }
  for (const malformed of [
    "",
    "x",
    prefix,
    `${wrapped}A`,
    wrapped.slice(0, -4),
    withItem(0, "backup/v2"),
    withItem(6, null),
  ]) {
    await expect(unwrapRecoveryKey(malformed, "p"), malformed).rejects.toMatchObject({
      code: "BACKUP_REFUSED",
      details: { reason: "malformed" },
    });
  }
  // The header is the associated data.
  await expect(unwrapRecoveryKey(withItem(3, 2), "p")).rejects.toMatchObject({ code: "WRONG_PASSPHRASE" });
}, 30_000);

test("a signal that aborts while Argon2id works ends what was asked for", async () => {
  const recoveryKey = await generateRecoveryKey();
  const wrapped = await wrapRecoveryKey(recoveryKey, "p");
  const calls = [
    (options: { signal: AbortSignal }) => wrapRecoveryKey(recoveryKey, "p", options),
    (options: { signal: AbortSignal }) => unwrapRecoveryKey(wrapped, "p", options),
    (options: { signal: AbortSignal }) => rewrapRecoveryKey(wrapped, "p", "q", options),
  ];
  const { subtle } = crypto;
  const importKey = subtle.importKey.bind(subtle) as (...input: unknown[]) => Promise<CryptoKey>;
  for (const call of calls) {
    const caller = new AbortController();
    const begins = vi.fn(() => caller.abort());
    vi.spyOn(subtle, "importKey").mockImplementation(((...input: unknown[]) => {
      if (input[0] === "raw-secret") begins();
      return importKey(...input);
    }) as typeof subtle.importKey);
    await expect(call({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ABORTED" });
    expect(begins).not.toHaveBeenCalled();
    await expect(call({ signal: caller.signal })).rejects.toMatchObject({ code: "ABORTED" });
    expect(begins).toHaveBeenCalledOnce();
    vi.restoreAllMocks();
  }
}, 60_000);
