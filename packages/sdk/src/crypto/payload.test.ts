import { encodeCbor } from "@sotto/schema";
import fc from "fast-check";
import { expect, it } from "vitest";
import { EnvelopeError } from "./errors.ts";
import { decodePayload, encodePayload } from "./payload.ts";

it("gives any text back", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.maxSafeNat(), (text, sentAtMs) => {
      const payload = { kind: "text", text, sentAtMs } as const;
      expect(decodePayload(encodePayload(payload))).toEqual(payload);
    }),
  );
});

it("skips fields that a later version added", () => {
  const bytes = encodeCbor(["text/v1", { text: "hi", sentAt: 5, mood: ["good"], weight: 1.5 }]);
  expect(decodePayload(bytes)).toEqual({ kind: "text", text: "hi", sentAtMs: 5 });
});

it("hands over a kind it does not know, to send on or read later", () => {
  const bytes = encodeCbor(["poll/v1", { question: "?" }, "more"]);
  const payload = decodePayload(bytes);
  expect(payload).toEqual({ kind: "unknown", type: "poll/v1", bytes });
  expect(encodePayload(payload)).toEqual(bytes);
});

it.each([
  ["empty", new Uint8Array()],
  ["no array", encodeCbor("text/v1")],
  ["no kind", encodeCbor([1, {}])],
  ["no text", encodeCbor(["text/v1", { sentAt: 1 }])],
  ["text of another type", encodeCbor(["text/v1", { text: 1, sentAt: 1 }])],
  ["no time", encodeCbor(["text/v1", { text: "hi", sentAt: -1 }])],
  ["fields of another type", encodeCbor(["text/v1", ["hi", 1]])],
  ["invalid UTF-8", Uint8Array.of(0x82, 0x67, ...Buffer.from("text/v1"), 0xa1, 0x61, 0xff, 0)],
  ["a key twice", Uint8Array.of(0x82, 0x67, ...Buffer.from("text/v1"), 0xa2, 0x61, 0x61, 0, 0x61, 0x61, 0)],
  [
    "keys out of order",
    Uint8Array.of(0x82, 0x67, ...Buffer.from("text/v1"), 0xa2, 0x61, 0x62, 0, 0x61, 0x61, 0),
  ],
])("refuses a payload with %s", (_, bytes) => {
  expect(() => decodePayload(Uint8Array.from(bytes))).toThrow(EnvelopeError);
});
