/** What later messages changed about one: pure, and the same in whichever order they arrive. */
import type { UserId } from "@sotto/schema";

/**
 * Orders what one user did to one message: by the user's own clock, then by the id of the message that did it. The
 * server's numbers have no say, so that it cannot bring back what was replaced; what it tells itself comes before all
 * that was signed.
 */
interface Stamp {
  /** The acting user's clock, ms since the epoch; of what the server tells itself: its own. */
  sentAtMs: number;
  /** The acting message's `clientMessageId`; of what the server tells itself: {@link toldBy}. */
  by: string;
}

/** By the entry's number, so that two at the same time come in the order of the log. */
export const toldBy = (seq: number): string => String(seq).padStart(16, "0");
/** No UUID looks so. */
const isTold = ({ by }: Stamp): boolean => /^\d{16}$/.test(by);

export interface Reaction extends Stamp {
  userId: UserId;
  emoji: string;
  isRemoved: boolean;
}

export interface Edit extends Stamp {
  text: string;
}

/** By its author, or by a moderator of the group, on the server's word. */
export interface Deletion {
  by: "author" | "moderator";
  userId: UserId;
}

export interface Overlay {
  edit: Edit | null;
  deletion: Deletion | null;
  /** The last word of each user on each emoji; the latest ones, of at most so many. */
  reactions: Reaction[];
}

export const emptyOverlay: Overlay = { edit: null, deletion: null, reactions: [] };

function isLater(a: Stamp, b: Stamp): boolean {
  if (isTold(a) !== isTold(b)) return isTold(b);
  return a.sentAtMs === b.sentAtMs ? a.by > b.by : a.sentAtMs > b.sentAtMs;
}

function laterOf<T extends Stamp>(a: T | null, b: T | null): T | null {
  if (!a || !b) return a ?? b;
  return isLater(a, b) ? a : b;
}

/** The author's deletion counts before a moderator's, the smaller user id before the larger: the order says nothing. */
function deletionOf(a: Deletion | null, b: Deletion | null): Deletion | null {
  if (!a || !b) return a ?? b;
  return `${a.by}/${a.userId}` <= `${b.by}/${b.userId}` ? a : b;
}

/** What is kept at most, so that nobody can make a stored message grow without bound (docs/PROTOCOL.md §8.8). */
const maxWordsOfOneUser = 64;
const maxWords = 1024;

/**
 * The latest words, at most so many of one user and so many in all. What is left out has as many later words before it
 * in whatever order they came: that keeps merging commutative and associative.
 */
function cap(reactions: readonly Reaction[]): Reaction[] {
  if (reactions.length <= maxWordsOfOneUser) return [...reactions];
  const counts = new Map<string, number>();
  const kept: Reaction[] = [];
  for (const one of reactions.toSorted(laterFirst)) {
    const count = (counts.get(one.userId) ?? 0) + 1;
    counts.set(one.userId, count);
    if (count <= maxWordsOfOneUser) kept.push(one);
    if (kept.length === maxWords) break;
  }
  return kept;
}

function laterFirst(x: Reaction, y: Reaction): number {
  if (isLater(x, y)) return -1;
  return isLater(y, x) || keyOf(x) < keyOf(y) ? 1 : -1;
}

const keyOf = ({ userId, emoji }: Reaction): string => `${userId} ${emoji}`;

function mergeReactions(a: readonly Reaction[], b: readonly Reaction[]): Reaction[] {
  const merged = new Map<string, Reaction>();
  for (const reaction of [...a, ...b]) {
    const key = keyOf(reaction);
    const earlier = merged.get(key);
    if (!earlier || isLater(reaction, earlier)) merged.set(key, reaction);
  }
  // By the time of the reaction, and so the same whatever came first.
  return cap([...merged.values()]).toSorted(
    (x, y) => x.sentAtMs - y.sentAtMs || (keyOf(x) < keyOf(y) ? -1 : 1),
  );
}

/**
 * Both together. Commutative, associative and idempotent: held by `overlay.test.ts`. What was deleted keeps nothing
 * of what it said.
 */
export function mergeOverlays(a: Overlay, b: Overlay): Overlay {
  const deletion = deletionOf(a.deletion, b.deletion);
  if (deletion) return { edit: null, deletion, reactions: [] };
  return {
    edit: laterOf(a.edit, b.edit),
    deletion: null,
    reactions: mergeReactions(a.reactions, b.reactions),
  };
}

/** Who stands behind each emoji now, the first given first. */
export function groupReactions(overlay: Overlay): { emoji: string; userIds: UserId[] }[] {
  const grouped = new Map<string, UserId[]>();
  for (const { emoji, userId, isRemoved } of overlay.reactions) {
    if (isRemoved) continue;
    grouped.set(emoji, [...(grouped.get(emoji) ?? []), userId]);
  }
  return [...grouped].map(([emoji, userIds]) => ({ emoji, userIds }));
}
