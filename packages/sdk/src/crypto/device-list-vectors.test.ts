/** What the SDK makes of docs/vectors/devlist-v1.json. */
import { readFileSync } from "node:fs";
import { decodeHex } from "@sotto/schema";
import { expect, test } from "vitest";
import { judgeChain } from "./device-list.ts";

interface Vectors {
  now_ms: number;
  user_id: string;
  lists: { name: string; version: number; sha256: string; list: string }[];
  cases: {
    title: string;
    pinned: string | null;
    current_version: number;
    lists: string[];
    verdict: string;
  }[];
}
const path = new URL("../../../../docs/vectors/devlist-v1.json", import.meta.url);
const vectors = JSON.parse(readFileSync(path, "utf8")) as Vectors;
const { user_id: userId, now_ms: now, cases } = vectors;

function find(name: string) {
  const found = vectors.lists.find((list) => list.name === name);
  if (!found) throw new Error(`no list ${name}`);
  return { version: found.version, hash: decodeHex(found.sha256), text: found.list };
}

test.each(cases)("$title: $verdict", async ({ pinned, current_version, lists, verdict }) => {
  const pin = pinned === null ? undefined : find(pinned);
  const given = { currentVersion: current_version, lists: lists.map((name) => find(name).text) };
  const judged = await judgeChain(given, { userId, now, pin });
  expect(judged.ok ? "accepted" : judged.reason).toBe(verdict);
});
