import type { ConversationId, UserId } from "@sotto/schema";
import { expect, test } from "vitest";
import { Rosters } from "./rosters.ts";

const group = "group" as ConversationId;
const users = (...names: string[]): UserId[] => names.map((name) => name as UserId);

const members = (...names: string[]): Set<UserId> => new Set(users(...names));

/** Reads that answer when they are told to. */
function manualReads() {
  const asked: { seq: number; answer: (members: UserId[]) => void; fail: () => void }[] = [];
  const read = (_: ConversationId, seq: number): Promise<UserId[]> =>
    new Promise((resolve, reject) => {
      asked.push({ seq, answer: resolve, fail: () => reject(new Error("away")) });
    });
  return { asked, rosters: new Rosters(read) };
}

test("an audience of users is itself", () => {
  const { rosters, asked } = manualReads();
  expect(rosters.resolve(users("a", "b"))).toEqual(users("a", "b"));
  expect(asked).toEqual([]);
});

test("the members are read once for a membership entry, also by those who ask meanwhile", async () => {
  const { rosters, asked } = manualReads();
  const answers = [1, 2, 3].map(() => rosters.resolve({ conversationId: group, rosterSeq: 7 }));
  asked[0]?.answer(users("a", "b"));
  expect(await Promise.all(answers.map(async (answer) => answer))).toEqual(
    [1, 2, 3].map(() => members("a", "b")),
  );
  expect(rosters.resolve({ conversationId: group, rosterSeq: 7 })).toEqual(members("a", "b"));
  expect(asked.map(({ seq }) => seq)).toEqual([7]);
});

test("a change of the members is read anew, and those who left are told of it", async () => {
  const { rosters, asked } = manualReads();
  const before = rosters.resolve({ conversationId: group, rosterSeq: 1 });
  asked[0]?.answer(users("a", "b"));
  await before;
  const change = rosters.resolve({ conversationId: group, rosterSeq: 2, left: users("b") });
  asked[1]?.answer(users("a"));
  expect(await change).toEqual(members("a", "b"));
  expect(rosters.resolve({ conversationId: group, rosterSeq: 2 })).toEqual(members("a"));
});

test("an entry that comes late is read for itself and does not put the present members out", async () => {
  const { rosters, asked } = manualReads();
  const present = rosters.resolve({ conversationId: group, rosterSeq: 9 });
  asked[0]?.answer(users("a"));
  await present;
  const late = rosters.resolve({ conversationId: group, rosterSeq: 3 });
  asked[1]?.answer(users("a", "old"));
  expect(await late).toEqual(members("a", "old"));
  expect(rosters.resolve({ conversationId: group, rosterSeq: 9 })).toEqual(members("a"));
});

test("a read that failed is made again", async () => {
  const { rosters, asked } = manualReads();
  const failing = rosters.resolve({ conversationId: group, rosterSeq: 1 });
  asked[0]?.fail();
  await expect(failing).rejects.toThrow("away");
  const again = rosters.resolve({ conversationId: group, rosterSeq: 1 });
  asked[1]?.answer(users("a"));
  expect(await again).toEqual(members("a"));
});

test("who is a member is known once the group was read, and as it was read", async () => {
  const { rosters, asked } = manualReads();
  const [a, b] = ["a" as UserId, "b" as UserId];
  expect(rosters.hasMember(group, a)).toBe(false);
  const read = rosters.resolve({ conversationId: group, rosterSeq: 1 });
  expect(rosters.hasMember(group, a)).toBe(false);
  asked[0]?.answer(users("a"));
  await read;
  expect([rosters.hasMember(group, a), rosters.hasMember(group, b)]).toEqual([true, false]);
});
