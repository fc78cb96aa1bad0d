/** What two people compare to know that they hold each other's identity keys (PROTOCOL §8.7, after Signal's). */
import { type Bytes, compareBytes, encodeBase64url, encodeCbor, uuidToBytes } from "@sotto/schema";
import { sha512 } from "./primitives.ts";

/** A user and the user's Ed25519 identity key. */
export interface UserIdentity {
  userId: string;
  uik: Bytes;
}

/** What two users compare to know that nobody stands between them. */
export interface SafetyNumber {
  /** 60 digits, the same on both sides. Show them in groups of five. */
  digits: string;
  /** The text of a QR code, the same on both sides. */
  qr: string;
}

const version = Uint8Array.of(0, 1);
const iterations = 5_200;

/** The safety number of two users; it changes with their identity keys only, not with their devices. */
export async function computeSafetyNumber(one: UserIdentity, other: UserIdentity): Promise<SafetyNumber> {
  const halves = await Promise.all([digitsOf(one), digitsOf(other)]);
  const digits = halves.toSorted().join("");
  const items = [one, other]
    .map(({ userId, uik }) => [uuidToBytes(userId), uik] as const)
    .toSorted(([a], [b]) => compareBytes(a, b));
  return { digits, qr: `sotto-safety:1.${encodeBase64url(encodeCbor(["safety/v1", ...items]))}` };
}

/** 30 digits: the iterations make it costly to find a key whose digits are nearly the same. */
async function digitsOf({ userId, uik }: UserIdentity): Promise<string> {
  let hash = Uint8Array.of(...version, ...uik, ...uuidToBytes(userId));
  for (let round = 0; round < iterations; round++) {
    const hashed = new Uint8Array(hash.length + uik.length);
    hashed.set(hash);
    hashed.set(uik, hash.length);
    hash = await sha512(hashed);
  }
  const groups = Array.from({ length: 6 }, (_, at) =>
    hash.subarray(at * 5, at * 5 + 5).reduce((number, byte) => number * 256 + byte, 0),
  );
  return groups.map((number) => String(number % 100_000).padStart(5, "0")).join("");
}
