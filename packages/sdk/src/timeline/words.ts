/** The words of a text as the search knows them. */
const wordPattern = /[\p{L}\p{N}\p{M}_]+/gu;
/** Longer words are found by their beginning. */
const maxWordChars = 64;
/** A text's further words are not found. */
const maxWords = 1_000;

/**
 * Lower-case words without their marks ("Café" → "cafe"), each once. Where words are not set apart by spaces, as in
 * Chinese or Thai, `Intl.Segmenter` finds them.
 */
export function wordsOf(text: string): string[] {
  const plain = text
    .normalize("NFKD")
    .replaceAll(/\p{M}+/gu, "")
    .toLowerCase();
  const words = new Set<string>();
  for (const word of segment(plain)) {
    words.add(word.slice(0, maxWordChars));
    if (words.size === maxWords) break;
  }
  return [...words];
}

const unspaced = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u;
let segmenter: Intl.Segmenter | undefined;

function segment(text: string): Iterable<string> {
  if (!unspaced.test(text) || !("Segmenter" in Intl)) return text.match(wordPattern) ?? [];
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "word" });
  return [...segmenter.segment(text)].flatMap(({ segment: word, isWordLike }) => (isWordLike ? [word] : []));
}
