import { userId } from "@sotto/schema";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Overlay, emptyOverlay, groupReactions, mergeOverlays } from "./overlay.ts";

const users = ["0197a2f0-0000-7000-8000-00000000000a", "0197a2f0-0000-7000-8000-00000000000b"].map((id) =>
  userId.parse(id),
);
const stamp = { sentAtMs: fc.integer({ min: 0, max: 3 }), by: fc.constantFrom("m1", "m2", "m3") };
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
    .record({ ...stamp, userId: user, emoji: fc.constantFrom("👍", "❤️") })
    .map((one) => [{ ...one, isRemoved: one.by === "m2" }]),
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
