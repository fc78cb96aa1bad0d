import type { ErrorCode, GroupRole } from "@sotto/schema";
import { describe, expect, test } from "vitest";
import {
  parseGivenRole,
  requireMayChangeRole,
  requireMayLeave,
  requireMayRemove,
  requireModerator,
  requireOwner,
} from "./group-rules.ts";

type Outcome = ErrorCode | "ok";

function outcomeOf(rule: () => void): Outcome {
  try {
    rule();
    return "ok";
  } catch (error) {
    return (error as { code: ErrorCode }).code;
  }
}

test.each<[GroupRole, Outcome, Outcome]>([
  ["owner", "ok", "ok"],
  ["admin", "ONLY_OWNER", "ok"],
  ["member", "ONLY_OWNER", "ONLY_MODERATORS"],
])("%s: what the owner may, what owner and admins may", (role, asOwner, asModerator) => {
  expect(outcomeOf(() => requireOwner(role))).toBe(asOwner);
  expect(outcomeOf(() => requireModerator(role))).toBe(asModerator);
});

describe.each<[GroupRole, Record<GroupRole | "nobody", Outcome>]>([
  ["owner", { owner: "ok", admin: "ok", member: "ok", nobody: "MEMBER_NOT_FOUND" }],
  [
    "admin",
    { owner: "MEMBER_PROTECTED", admin: "MEMBER_PROTECTED", member: "ok", nobody: "MEMBER_NOT_FOUND" },
  ],
  [
    "member",
    {
      owner: "ONLY_MODERATORS",
      admin: "ONLY_MODERATORS",
      member: "ONLY_MODERATORS",
      nobody: "ONLY_MODERATORS",
    },
  ],
])("%s removes", (actor, expected) => {
  test.each(["owner", "admin", "member", "nobody"] as const)("%s", (target) => {
    expect(outcomeOf(() => requireMayRemove(actor, target === "nobody" ? undefined : target))).toBe(
      expected[target],
    );
  });
});

test.each<[GroupRole, GroupRole | undefined, Outcome]>([
  ["owner", "admin", "ok"],
  ["owner", "member", "ok"],
  ["owner", "owner", "OWNER_MUST_TRANSFER"],
  ["owner", undefined, "MEMBER_NOT_FOUND"],
  ["admin", "member", "ONLY_OWNER"],
  ["admin", undefined, "ONLY_OWNER"],
  ["member", "owner", "ONLY_OWNER"],
])("%s changes the role of %s: %s", (actor, target, expected) => {
  expect(outcomeOf(() => requireMayChangeRole(actor, target))).toBe(expected);
});

test.each<[GroupRole, number, Outcome]>([
  ["owner", 1, "ok"],
  ["owner", 2, "OWNER_MUST_TRANSFER"],
  ["admin", 2, "ok"],
  ["member", 1000, "ok"],
])("%s leaves a group of %i: %s", (role, count, expected) => {
  expect(outcomeOf(() => requireMayLeave(role, count))).toBe(expected);
});

test("admin and member are given, ownership is not", () => {
  expect([parseGivenRole("admin"), parseGivenRole("member")]).toEqual(["admin", "member"]);
  for (const role of ["owner", "Admin", "", "moderator", "__proto__"]) {
    expect(outcomeOf(() => parseGivenRole(role))).toBe("ROLE_INVALID");
  }
});
