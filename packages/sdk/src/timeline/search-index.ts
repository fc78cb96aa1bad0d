import { throwIfAborted } from "../errors.ts";
import type { ConversationId } from "@sotto/schema";
import * as z from "zod/mini";
import type { Draft } from "../storage/draft.ts";
import { type Reader, defineRecord } from "../storage/records.ts";
import { wordsOf } from "./words.ts";

/** Places that one block of the index covers. */
const blockSize = 64;
/** Blocks read at once. */
const blocksPerRead = 64;

/**
 * By conversation and block: a line for each word, `\nword 3 17`, with the places in the block that have it. Words stand
 * in the value alone, never in a key: values are what a store encrypts. One text a block is decoded and searched at once.
 */
const blockRecord = defineRecord("words", z.string());

const blockOf = (seq: number) => Math.floor(seq / blockSize);

/** Replaces what the index has of one place; no text takes it out. */
export async function indexText(
  draft: Draft,
  { conversationId, seq }: { conversationId: ConversationId; seq: number },
  { before, after }: { before: string | undefined; after: string | undefined },
): Promise<void> {
  if (before === after) return;
  const block = (await blockRecord.get(draft, conversationId, blockOf(seq))) ?? "";
  const lines = new Map(
    block
      .split("\n")
      .filter((line) => line !== "")
      .map((line): [string, string[]] => {
        const [word = "", ...places] = line.split(" ");
        return [word, places];
      }),
  );
  const place = String(seq % blockSize);
  for (const word of before === undefined ? [] : wordsOf(before)) {
    const left = (lines.get(word) ?? []).filter((other) => other !== place);
    if (left.length > 0) lines.set(word, left);
    else lines.delete(word);
  }
  for (const word of after === undefined ? [] : wordsOf(after)) {
    lines.set(word, [...(lines.get(word) ?? []).filter((other) => other !== place), place]);
  }
  const text = [...lines].map(([word, places]) => `\n${word} ${places.join(" ")}`).join("");
  draft.put(
    text === ""
      ? blockRecord.remove(conversationId, blockOf(seq))
      : blockRecord.put([conversationId, blockOf(seq)], text),
  );
}

export interface SearchInput {
  query: string;
  beforeSeq?: number | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * The places of a conversation, newest first, whose text has every word of the query; the last word may be the beginning
 * of one. Throws `ABORTED`.
 */
export async function* searchIndex(
  store: Reader,
  conversationId: ConversationId,
  { query, beforeSeq = Infinity, signal }: SearchInput,
): AsyncGenerator<number, void> {
  const words = wordsOf(query);
  if (words.length === 0) return;
  const isOpen = /[\p{L}\p{N}\p{M}_]$/u.test(query);
  const needles = words.map((word, at) => `\n${word}${isOpen && at === words.length - 1 ? "" : " "}`);
  let after = Number.isFinite(beforeSeq) ? [conversationId, blockOf(beforeSeq) + 1] : undefined;
  for (;;) {
    throwIfAborted(signal);
    const blocks = await blockRecord.list(store, [conversationId], {
      isReversed: true,
      limit: blocksPerRead,
      after,
    });
    for (const { path, value } of blocks) {
      const first = Number(path[1]) * blockSize;
      const found = needles.map((needle) => placesOf(value, needle));
      const [least, ...others] = found;
      const common = [...(least ?? [])].filter((place) => others.every((places) => places.has(place)));
      for (const place of common.toSorted((a, b) => b - a))
        if (first + place < beforeSeq) yield first + place;
    }
    const last = blocks.at(-1);
    if (!last || blocks.length < blocksPerRead) return;
    after = [conversationId, Number(last.path[1])];
  }
}

/** The places of every line that begins with the needle. */
function placesOf(block: string, needle: string): Set<number> {
  const places = new Set<number>();
  for (let at = block.indexOf(needle); at !== -1; at = block.indexOf(needle, at + needle.length)) {
    const end = block.indexOf("\n", at + 1);
    const [, ...found] = block.slice(at + 1, end === -1 ? undefined : end).split(" ");
    for (const place of found) places.add(Number(place));
  }
  return places;
}
