import { encodeCbor } from "@sotto/schema";
import fc from "fast-check";
import { expect, it } from "vitest";
import { EnvelopeError } from "./errors.ts";
import { type FilePayload, type KnownPayload, decodePayload, encodePayload } from "./payload.ts";

it("gives any text back", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.maxSafeNat(), (text, sentAtMs) => {
      const payload = { kind: "text", text, sentAtMs } as const;
      expect(decodePayload(encodePayload(payload)).payload).toEqual(payload);
    }),
  );
});

const [target, senderUserId] = [
  "0197a2f0-0000-7000-8000-00000000000a",
  "0197a2f0-0000-7000-8000-00000000000b",
];
const ref = { senderUserId, clientMessageId: target };
const file: FilePayload = {
  kind: "file",
  sentAtMs: 5,
  blobId: target,
  ageIdentity: "AGE-SECRET-KEY-1QQQ",
  ciphertextSize: 1234,
  ciphertextSha256: new Uint8Array(32).fill(7),
  size: 1000,
  mimeType: "image/png",
  name: "naïve 👋.png",
};
const known: KnownPayload[] = [
  { kind: "text", text: "yes", sentAtMs: 5, replyTo: ref },
  { kind: "edit", target, text: "", sentAtMs: 5 },
  { kind: "reaction", target: ref, emoji: "👩‍👩‍👧‍👦", isRemoved: true, sentAtMs: 5 },
  { kind: "deletion", target, sentAtMs: 5 },
  file,
  { ...file, width: 0, height: 600, thumbnail: Uint8Array.of(1, 2), caption: "" },
];

it.each(known)("gives back $kind", (payload) => {
  const bytes = encodePayload(payload);
  expect(decodePayload(bytes)).toEqual({ payload, refused: [] });
  expect(decodePayload(encodePayload(payload, [3, 300]))).toEqual({ payload, refused: [3, 300] });
  // A reader that knows the kind has no use for a field that is not there.
  expect(Object.values(payload)).not.toContain(undefined);
});

it.each<[string, KnownPayload]>([
  [
    "an emoji of 65 units",
    { kind: "reaction", target: ref, emoji: "x".repeat(65), isRemoved: false, sentAtMs: 5 },
  ],
  ["no emoji", { kind: "reaction", target: ref, emoji: "", isRemoved: false, sentAtMs: 5 }],
  ["a target that is no UUID", { kind: "deletion", target: "x", sentAtMs: 5 }],
  ["a digest of another length", { ...file, ciphertextSha256: new Uint8Array(31) }],
  ["a thumbnail over 64 KiB", { ...file, thumbnail: new Uint8Array(65_537) }],
  ["a size that is no integer", { ...file, size: 1.5 }],
  ["a lone surrogate", { kind: "edit", target, text: "\ud800", sentAtMs: 5 }],
])("does not write %s", (_, payload) => {
  expect(() => encodePayload(payload)).toThrow(EnvelopeError);
});

it.each([
  ["an edit without target", ["edit/v1", { text: "x", sentAt: 1 }]],
  [
    "a reaction whose target is no pair",
    ["reaction/v1", { target: [1], emoji: "x", removed: false, sentAt: 1 }],
  ],
  ["a reaction that is neither given nor taken back", ["reaction/v1", { target: [], emoji: "x", sentAt: 1 }]],
  ["a file without identity", ["file/v1", { name: "x", sentAt: 1 }]],
])("refuses %s", (_, value) => {
  expect(() => decodePayload(encodeCbor(value))).toThrow(EnvelopeError);
});

it("skips fields that a later version added", () => {
  const bytes = encodeCbor(["text/v1", { text: "hi", sentAt: 5, mood: ["good"], weight: 1.5 }]);
  expect(decodePayload(bytes).payload).toEqual({ kind: "text", text: "hi", sentAtMs: 5 });
});

it("hands over a kind it does not know, to send on or read later", () => {
  const bytes = encodeCbor(["poll/v1", { question: "?" }, "more"]);
  const { payload } = decodePayload(bytes);
  expect(payload).toEqual({ kind: "unknown", type: "poll/v1", bytes });
  expect(encodePayload(payload)).toEqual(bytes);
});

it.each([
  ["empty", new Uint8Array()],
  ["no array", encodeCbor("text/v1")],
  ["no kind", encodeCbor([1, {}])],
  ["no text", encodeCbor(["text/v1", { sentAt: 1 }])],
  ["text of another type", encodeCbor(["text/v1", { text: 1, sentAt: 1 }])],
  ["refused counters that are no list", encodeCbor(["text/v1", { text: "hi", sentAt: 1, refused: 3 }])],
  ["a refused counter below 0", encodeCbor(["text/v1", { text: "hi", sentAt: 1, refused: [3, -1] }])],
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
