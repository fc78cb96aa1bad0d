import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type SealedHeader,
  SealedFormatError,
  compareBytes,
  decodeBase64url,
  decodeCbor,
  encodeBase64url,
  encodeCbor,
  encodeWrap,
  parseDevicePublicKey,
  parseSealedBody,
  parseWrap,
  parseWrapKeyId,
  rosterBytes,
  sealedHeaderItems,
  sealedLimits,
} from "./index.ts";

const codeOf = (run: () => unknown) => {
  try {
    run();
  } catch (error) {
    if (error instanceof SealedFormatError) return error.code;
    throw error;
  }
  return "ok";
};
const bytesOf = (...parts: (number | string)[]) =>
  Uint8Array.from(
    Buffer.concat(
      parts.map((part) => (typeof part === "number" ? Buffer.of(part) : Buffer.from(part, "hex"))),
    ),
  );
const uuid = (digit: number) => `00000000-0000-4000-8000-00000000000${digit}`;

const header: SealedHeader = {
  contentSuite: 1,
  conversationId: uuid(1),
  senderUserId: uuid(2),
  senderDeviceId: uuid(3),
  messageId: uuid(4),
  counter: 5,
  class: "control",
  rosterHash: new Uint8Array(32).fill(6),
};
const bodyOf = (
  headerItems: unknown,
  rest: unknown[] = [new Uint8Array(12), new Uint8Array(32), new Uint8Array(300)],
) => encodeCbor([headerItems, ...rest]);
const replaced = (at: number, value: unknown) => bodyOf(sealedHeaderItems(header).with(at, value));

describe("base64url", () => {
  it("is Node's, and has one reading", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20_000 }), (bytes) => {
        const text = Buffer.from(bytes).toString("base64url");
        expect(encodeBase64url(bytes)).toBe(text);
        expect(decodeBase64url(text)).toEqual(Uint8Array.from(bytes));
      }),
    );
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...Array.from("ABab01-_+/= \n")), maxLength: 12 }),
        (text) => {
          const isCanonical = Buffer.from(text, "base64url").toString("base64url") === text;
          expect(codeOf(() => decodeBase64url(text))).toBe(isCanonical ? "ok" : "not_base64url");
        },
      ),
    );
  });
});

describe("CBOR", () => {
  it.each<[string, Uint8Array, string]>([
    ["nothing", bytesOf(), "not_canonical"],
    ["two items", bytesOf(0, 0), "not_canonical"],
    ["a long integer", bytesOf(0x18, 5), "not_canonical"],
    ["a long length", bytesOf("5801ff"), "not_canonical"],
    ["an indefinite array", bytesOf("9f01ff"), "not_canonical"],
    ["an indefinite byte string", bytesOf("5f4101ff"), "not_canonical"],
    ["a key twice", bytesOf("a2616100616101"), "not_canonical"],
    ["keys out of order", bytesOf("a2616200616101"), "not_canonical"],
    ["a tag", bytesOf("c100"), "not_canonical"],
    ["undefined", bytesOf("f7"), "not_canonical"],
    ["a float that is too wide", bytesOf("fb3ff8000000000000"), "not_canonical"],
    ["NaN", bytesOf("f97e00"), "not_canonical"],
    ["an integer beyond 2^53", bytesOf("1bffffffffffffffff"), "not_canonical"],
    ["invalid UTF-8", bytesOf("61ff"), "not_canonical"],
    ["an array that promises 2^32 items", bytesOf("9affffffff00"), "not_canonical"],
    ["a string that promises 2^32 bytes", bytesOf("5affffffff00"), "not_canonical"],
    ["nesting without end", new Uint8Array(100_000).fill(0x81), "bad_shape"],
    ["maps without end", new Uint8Array(100_000).fill(0xa1), "bad_shape"],
    ["one level too many", bytesOf("8181818181818181", "8100"), "bad_shape"],
    ["as deep as allowed", bytesOf("8181818181818181", 0), "ok"],
    ["many shallow items after each other", bytesOf("8b", "8100".repeat(11)), "ok"],
    ["half a float", bytesOf("f93e00"), "ok"],
  ])("with %s", (_, bytes, code) => {
    expect(codeOf(() => decodeCbor(bytes, 100_000))).toBe(code);
  });

  it("is measured before it is read", () => {
    expect(codeOf(() => decodeCbor(new Uint8Array(11), 10))).toBe("too_large");
  });

  it("takes any bytes without another error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void codeOf(() => decodeCbor(bytes, 64))),
      {
        numRuns: 2000,
      },
    );
  });
});

describe("a body", () => {
  it("shows its parts, from text and from bytes", () => {
    const body = bodyOf(sealedHeaderItems(header));
    const parts = parseSealedBody(encodeBase64url(body));
    expect(parts).toMatchObject({
      header,
      iv: new Uint8Array(12),
      keyCommit: new Uint8Array(32),
      bytes: body,
    });
    expect(parts?.headerBytes).toEqual(encodeCbor(sealedHeaderItems(header)));
    expect(parseSealedBody(body)).toEqual(parts);
  });

  it("of another client is not touched", () => {
    for (const text of ["", "opaque", "hIlpc2VhbGVkL3Y", encodeBase64url(encodeCbor(["sealed/v1"]))]) {
      expect(parseSealedBody(text)).toBeUndefined();
    }
  });

  it.each<[string, () => Uint8Array | string]>([
    ["a class unknown", () => replaced(7, 2)],
    ["a class of another type", () => replaced(7, "content")],
    ["a negative counter", () => replaced(6, -1)],
    ["a fractional counter", () => replaced(6, 1.5)],
    ["an id of 15 bytes", () => replaced(2, new Uint8Array(15))],
    ["an id as text", () => replaced(3, uuid(1))],
    ["a short roster hash", () => replaced(8, new Uint8Array(31))],
    [
      "a short commitment",
      () => bodyOf(sealedHeaderItems(header), [new Uint8Array(12), new Uint8Array(31), new Uint8Array()]),
    ],
    [
      "text for its ciphertext",
      () => bodyOf(sealedHeaderItems(header), [new Uint8Array(12), new Uint8Array(32), "ct"]),
    ],
  ])("with %s is malformed", (_, make) => {
    expect(codeOf(() => parseSealedBody(make()))).toBe("bad_shape");
  });

  it("is refused when cut, extended or too large", () => {
    const body = bodyOf(sealedHeaderItems(header));
    for (let length = 12; length < body.length; length++) {
      expect(codeOf(() => parseSealedBody(body.subarray(0, length)))).toBe("not_canonical");
    }
    expect(codeOf(() => parseSealedBody(Uint8Array.of(...body, 0)))).toBe("not_canonical");
    expect(codeOf(() => parseSealedBody(`${encodeBase64url(body)}=`))).toBe("not_base64url");
    expect(
      codeOf(() => parseSealedBody(encodeBase64url(body) + "A".repeat(sealedLimits.maxBodyBytes * 2))),
    ).toBe("too_large");
  });
});

it("a wrap names its key, anything else is no wrap", () => {
  const wrap = {
    kid: "0011223344556677",
    kemId: 0x647a,
    enc: new Uint8Array(1120),
    sealedCek: new Uint8Array(48),
  };
  expect(parseWrap(encodeWrap(wrap))).toEqual(wrap);
  expect(parseWrapKeyId(encodeWrap(wrap))).toEqual({ kid: wrap.kid, kemId: wrap.kemId });
  for (const text of ["", "opaque!", "AAAA", encodeBase64url(encodeCbor([1, 2, 3, 4])), "A".repeat(4000)]) {
    expect(parseWrapKeyId(text)).toBeUndefined();
  }
});

it("a roster is its known bytes, sorted by its entries' own encoding", () => {
  const short = { userId: uuid(1), deviceId: "b" };
  const long = { userId: uuid(1), deviceId: "aa" };
  const bytes = rosterBytes([long, short, long]);
  const user = "5000000000000040008000000000000001";
  expect(Buffer.from(bytes).toString("hex")).toBe(`8269726f737465722f76318282${user}616282${user}626161`);
  expect(compareBytes(bytes, rosterBytes([short, long]))).toBe(0);
  expect(codeOf(() => rosterBytes([{ userId: "me", deviceId: "b" }]))).toBe("bad_shape");
  expect(codeOf(() => rosterBytes([{ userId: uuid(1), deviceId: "" }]))).toBe("bad_shape");
});

it("any public key string is sorted without an error", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.base64String(),
        fc.string().map((text) => `kb1.${text}`),
      ),
      (text) => {
        expect(["bare", "unusable"]).toContain(parseDevicePublicKey(text).kind);
      },
    ),
  );
});
