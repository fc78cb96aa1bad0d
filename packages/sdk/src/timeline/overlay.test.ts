import { userId } from "@sotto/schema";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Overlay, emptyOverlay, groupReactions, mergeOverlays, toldBy } from "./overlay.ts";

const users = ["0197a2f0-0000-7000-8000-00000000000a", "0197a2f0-0000-7000-8000-00000000000b"].map((id) =>
  userId.parse(id),
);
const signedBy = fc.constantFrom("m1", "m2", "m3");
const stamp = { sentAtMs: fc.integer({ min: 0, max: 3 }), by: signedBy };
const toldOrSigned = fc.oneof(signedBy, fc.constantFrom(toldBy(1), toldBy(2)));
const user = fc.constantFrom(...users);
const overlay: fc.Arbitrary<Overlay> = fc.record({
  // One message says one thing: what bears the same stamp is the same.
  edit: fc.option(fc.record(stamp).map(({ sentAtMs, by }) => ({ sentAtMs, by, text: `${sentAtMs} ${by}` }))),
  deletion: fc.option(
    fc.record({ by: fc.constantFrom("author" as const, "moderator" as const), userId: user }),
    {
      freq: 5,
    },
  ),
  reactions: fc
    .record({ ...stamp, by: toldOrSigned, userId: user, emoji: fc.constantFrom("👍", "❤️") })
    .map((one) => [{ ...one, isRemoved: one.by === "m2" || one.by === toldBy(2) }]),
});

const noId = "0197a2f0-0000-7000-8000-";
/** So many words of so many users; one word has one stamp. */
function crowdOf(seed: number, userCount: number, count: number): Overlay {
  const reactions = Array.from({ length: count }, (_, n) => {
    const mixed = Math.imul(n + 1, 2_654_435_761 ^ seed) >>> 0;
    const stamp = mixed % 331;
    return {
      userId: userId.parse(`${noId}${(mixed % userCount).toString(16).padStart(12, "0")}`),
      emoji: `e${mixed % 97}`,
      isRemoved: stamp % 5 === 0,
      sentAtMs: stamp,
      by: stamp % 3 === 0 ? toldBy(stamp) : `m${stamp}`,
    };
  });
  return { ...emptyOverlay, reactions };
}
const mergeWords = (lists: Overlay["reactions"][]) =>
  lists.reduce((all, reactions) => mergeOverlays(all, { ...emptyOverlay, reactions }), emptyOverlay);

function wordsOf(n: number, count: number, sentAtMs: number): Overlay["reactions"] {
  return Array.from({ length: count }, (_, at) => ({
    userId: userId.parse(`${noId}${n.toString(16).padStart(12, "0")}`),
    emoji: `e${at}`,
    isRemoved: false,
    sentAtMs: sentAtMs + at,
    by: "m",
  }));
}

/** More than is kept of one, and in all. */
const crowd = fc
  .tuple(fc.nat(), fc.constantFrom(1, 2, 40), fc.constantFrom(1, 70, 400, 1500))
  .map(([seed, userCount, count]) => crowdOf(seed, userCount, count));

test("no more is kept than a bound, and what that is does not depend on the order either", () => {
  fc.assert(
    fc.property(crowd, crowd, crowd, (first, second, third) => {
      const [a, b, c] = [first, second, third].map((one) => mergeOverlays(emptyOverlay, one));
      if (!a || !b || !c) throw new Error("three were given");
      expect(mergeOverlays(a, b)).toEqual(mergeOverlays(b, a));
      const all = mergeOverlays(mergeOverlays(a, b), c);
      expect(all).toEqual(mergeOverlays(a, mergeOverlays(b, c)));
      expect(mergeOverlays(all, a)).toEqual(all);
      const counts = Map.groupBy(all.reactions, (one) => one.userId);
      for (const words of counts.values()) expect(words.length).toBeLessThanOrEqual(64);
    }),
    { numRuns: 60 },
  );
});

test("a hostile member's words push out their own, and at most so many are kept in all", () => {
  const { reactions } = mergeWords([wordsOf(1, 2, 1), wordsOf(2, 5000, 100)]);
  expect(reactions).toHaveLength(66);
  expect(groupReactions({ ...emptyOverlay, reactions })[0]).toMatchObject({ emoji: "e0" });
  const crowded = mergeWords(Array.from({ length: 2000 }, (_, n) => wordsOf(n, 1, n)));
  expect(crowded.reactions).toHaveLength(1024);
  expect(crowded.reactions[0]?.sentAtMs).toBe(976);
});

test("merging does not care about order, grouping or repetition", () => {
  fc.assert(
    fc.property(overlay, overlay, overlay, (first, second, third) => {
      const [a, b, c] = [first, second, third].map((one) => mergeOverlays(emptyOverlay, one));
      if (!a || !b || !c) throw new Error("three were given");
      expect(mergeOverlays(a, b)).toEqual(mergeOverlays(b, a));
      expect(mergeOverlays(mergeOverlays(a, b), c)).toEqual(mergeOverlays(a, mergeOverlays(b, c)));
      expect(mergeOverlays(a, a)).toEqual(a);
    }),
  );
});

test("what a user has signed counts before what the server tells of the user, whatever the times are", () => {
  const [alice] = users;
  if (!alice) throw new Error("one was given");
  const of = (sentAtMs: number, by: string, isRemoved: boolean): Overlay => ({
    ...emptyOverlay,
    reactions: [{ userId: alice, emoji: "👍", sentAtMs, by, isRemoved }],
  });
  const signed = [of(5, "m1", false), of(6, "m2", true)];
  const told = [of(1, toldBy(1), true), of(9, toldBy(2), false)];
  for (const [one, other] of [
    [signed, told],
    [told, signed],
  ] as const) {
    expect(groupReactions([...one, ...other].reduce(mergeOverlays, emptyOverlay))).toEqual([]);
  }
  expect(groupReactions(told.reduce(mergeOverlays, emptyOverlay))).toEqual([
    { emoji: "👍", userIds: [alice] },
  ]);
});

test("what the server tells pushes out nothing that was signed", () => {
  const signed = wordsOf(1, 64, 1);
  const told = wordsOf(1, 200, 1000).map(({ userId: of, sentAtMs }, at) => {
    return { userId: of, emoji: `told ${at}`, isRemoved: false, sentAtMs, by: toldBy(at) };
  });
  const { reactions } = mergeWords([signed, told]);
  expect(reactions).toEqual(signed);
});

test("the last word of each user on each emoji counts", () => {
  const [alice, bob] = users;
  if (!alice || !bob) throw new Error("two were given");
  const reaction = { emoji: "👍", isRemoved: false, by: "m" };
  const reactions = [
    { ...reaction, userId: bob, sentAtMs: 2 },
    { ...reaction, userId: alice, sentAtMs: 1 },
    { ...reaction, userId: bob, sentAtMs: 3, emoji: "🎉" },
    { ...reaction, userId: bob, sentAtMs: 4, emoji: "🎉", isRemoved: true },
  ];
  const merged = reactions.reduce<Overlay>(
    (all, one) => mergeOverlays(all, { ...emptyOverlay, reactions: [one] }),
    emptyOverlay,
  );
  expect(groupReactions(merged)).toEqual([{ emoji: "👍", userIds: [alice, bob] }]);
});
