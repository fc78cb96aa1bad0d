import { readFileSync } from "node:fs";
import { decodeHex, encodeHex } from "@sotto/schema";
import { expect, test } from "vitest";
import { type KnownPayload, decodePayload, encodePayload } from "./payload.ts";

const page = readFileSync(new URL("../../../../docs/PROTOCOL.md", import.meta.url), "utf8");
const target = "0198c0de-0000-7000-8000-00000000e001";
const ref = { senderUserId: "0198c0de-0000-7000-8000-00000000a11c", clientMessageId: target };
const sentAtMs = Date.UTC(2026, 0, 15, 10);

/** The bytes below a name in section 8.8. */
function shown(name: string): string {
  const [, hex = ""] = new RegExp(`^${name} +\\(.*\\)\\n +([0-9a-f]+)$`, "m").exec(page) ?? [];
  return hex;
}

test.each<[string, KnownPayload, number[]?]>([
  ["reply", { kind: "text", text: "yes", sentAtMs, replyTo: ref }],
  ["edit", { kind: "edit", target, text: "at six", sentAtMs }],
  ["reaction", { kind: "reaction", target: ref, emoji: "👍", isRemoved: false, sentAtMs }],
  ["deletion", { kind: "deletion", target, sentAtMs }],
  ["refused", { kind: "text", text: "six", sentAtMs }, [4, 5]],
])("the protocol's page shows the bytes of a %s", (name, payload, refused = []) => {
  expect(encodeHex(encodePayload(payload, refused))).toBe(shown(name));
  expect(decodePayload(decodeHex(shown(name)))).toEqual({ payload, refused });
});
