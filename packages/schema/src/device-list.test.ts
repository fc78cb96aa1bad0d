import fc from "fast-check";
import { expect, test } from "vitest";
import {
  deviceListSignedBytes,
  encodeDeviceList,
  parseDeviceList,
  type DeviceListFields,
} from "./device-list.ts";
import { decodeBase64url, encodeBase64url, encodeCbor, SealedFormatError } from "./strict-cbor.ts";

const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((value) => Uint8Array.from(value));
const seconds = fc.nat({ max: 2 ** 40 });
const listed = fc.record({
  deviceId: fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }).filter((id) => id.length <= 64),
  dik: bytes(32),
  addedSec: seconds,
});
const devices = fc.uniqueArray(listed, { maxLength: 64, selector: ({ deviceId }) => deviceId });
const lists: fc.Arbitrary<DeviceListFields & { signature: Uint8Array<ArrayBuffer> }> = fc
  .record({
    userId: fc.uuid(),
    version: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    hash: bytes(32),
    issuedSec: seconds,
    uik: bytes(32),
    devices,
    signature: bytes(64),
  })
  .map(({ hash, ...fields }) => Object.assign(fields, { prevHash: fields.version === 1 ? null : hash }));

test("a list is read as it was written", () => {
  fc.assert(
    fc.property(lists, (list) => {
      const text = encodeDeviceList(list);
      const { bytes: read, ...fields } = parseDeviceList(text);
      expect(fields).toEqual(list);
      expect(encodeBase64url(read)).toBe(text);
      expect(encodeBase64url(deviceListSignedBytes(fields))).toBe(
        encodeBase64url(deviceListSignedBytes(list)),
      );
    }),
  );
});

test("anything else is refused with a format error, and what is read is written the same", () => {
  fc.assert(
    fc.property(lists, fc.nat(), fc.integer({ min: 1, max: 255 }), (list, at, flip) => {
      const changed = decodeBase64url(encodeDeviceList(list));
      const place = at % changed.length;
      changed[place] = (changed[place] ?? 0) ^ flip;
      const text = encodeBase64url(changed);
      try {
        expect(encodeDeviceList(parseDeviceList(text))).toBe(text);
      } catch (error) {
        expect(error).toBeInstanceOf(SealedFormatError);
      }
    }),
  );
});

test("a list that is too long is refused before it is decoded", () => {
  const long = encodeBase64url(encodeCbor(["devlist/v1", new Uint8Array(20_000)]));
  expect(() => parseDeviceList(long)).toThrow(expect.objectContaining({ code: "too_large" }) as Error);
});
