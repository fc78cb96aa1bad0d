import { cborItem, decodeCbor, encodeCbor } from "@sotto/schema";
import { describe, expect, test } from "vitest";
import { createStoreKey, openStoreKey } from "./store-key.ts";

const key = new Uint8Array(32).fill(1);
const salt = new Uint8Array(16).fill(2);

describe("the header of an encrypted store", () => {
  test("asks for Argon2id with 64 MiB, three passes and a fresh salt", async () => {
    const [first, second] = await Promise.all([
      createStoreKey({ passphrase: "p" }),
      createStoreKey({ passphrase: "p" }),
    ]);
    const kdfOf = (header: typeof first.header) =>
      cborItem.array(cborItem.array(decodeCbor(header, 1024), "header", 4)[1], "kdf", 5);
    expect(kdfOf(first.header).slice(0, 4)).toEqual(["argon2id", 65_536, 3, 1]);
    expect(kdfOf(first.header)[4]).not.toEqual(kdfOf(second.header)[4]);
    await openStoreKey(first.header, { passphrase: "p" });
    await expect(openStoreKey(first.header, { passphrase: "q" })).rejects.toMatchObject({
      code: "WRONG_PASSPHRASE",
    });
  });

  test("is refused after any change of a byte", async () => {
    const { header } = await createStoreKey({ key });
    await openStoreKey(header, { key });
    for (const [at, byte] of header.entries()) {
      const code = expect.stringMatching(/^(WRONG_PASSPHRASE|STORE_DAMAGED)$/);
      await expect(openStoreKey(header.with(at, byte ^ 1), { key })).rejects.toMatchObject({ code });
    }
  });

  test.each([
    ["memory", [262_145, 3, 1]],
    ["passes", [64, 17, 1]],
    ["lanes", [64, 1, 5]],
    ["no pass", [64, 0, 1]],
    ["too little memory for its lanes", [7, 1, 1]],
  ])("may not ask for too much, or nothing: %s", async (_, numbers) => {
    const kdf = ["argon2id", ...numbers, salt];
    const header = encodeCbor(["store-key/v1", kdf, new Uint8Array(12), new Uint8Array(48)]);
    const opening = openStoreKey(header, { passphrase: "p" });
    await expect(opening).rejects.toMatchObject({ code: "STORE_DAMAGED" });
  });
});
