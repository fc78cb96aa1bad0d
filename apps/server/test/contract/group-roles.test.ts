import { afterAll, describe, expect, test } from "vitest";
import { act, newCast, newGroupOf, rolesOf, type Cast } from "../groups.ts";
import type { Person, RestAnswer } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { unknownId } from "./contract-routes.ts";
import { outcome, placesOf, rest } from "./described-rest.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());
const { url } = server;
const cast = await newCast(url);
const { owner, admin, member, stranger } = cast;

function call(actor: Person, route: string, body?: unknown): Promise<RestAnswer> {
  return rest(url, route, { token: actor.token, ...(body === undefined ? {} : { body }) });
}

type Outcome = { status: number; detail: unknown };
const done: Outcome = { status: 200, detail: "done" };
const hidden: Outcome = { status: 404, detail: "Group not found" };
const onlyOwner: Outcome = { status: 403, detail: "Only owner" };
const onlyModerators: Outcome = { status: 403, detail: "Only owner or admin" };
const notInGroup: Outcome = { status: 404, detail: "User not in group" };
const noAvatar: Outcome = { status: 404, detail: "No avatar" };
const mustTransfer: Outcome = { status: 409, detail: "Transfer ownership first" };

/** What each route answers to a member, an admin and the owner. Strangers and former members find nothing. */
const matrix: [route: string, body: unknown, member: Outcome, admin: Outcome, owner: Outcome][] = [
  ["GET /groups/ID", undefined, done, done, done],
  ["PATCH /groups/ID", { name: "new" }, onlyOwner, onlyOwner, done],
  ["POST /groups/ID/members", [stranger.id], onlyModerators, done, done],
  [
    "POST /groups/ID/members",
    [unknownId],
    onlyModerators,
    { status: 404, detail: "User not found" },
    { status: 404, detail: "User not found" },
  ],
  [`DELETE /groups/ID/members/${unknownId}`, undefined, onlyModerators, notInGroup, notInGroup],
  ["POST /groups/ID/leave", undefined, done, done, mustTransfer],
  [`POST /groups/ID/members/${member.id}/role`, { role: "admin" }, onlyOwner, onlyOwner, done],
  [`POST /groups/ID/members/${owner.id}/role`, { role: "member" }, onlyOwner, onlyOwner, mustTransfer],
  [`POST /groups/ID/members/${stranger.id}/role`, { role: "admin" }, onlyOwner, onlyOwner, notInGroup],
  ["POST /groups/ID/transfer_ownership", { new_owner_user_id: member.id }, onlyOwner, onlyOwner, done],
  ["POST /groups/ID/archive", undefined, onlyOwner, onlyOwner, done],
  ["POST /groups/ID/avatar/url", { url: "https://example.org/a.png" }, onlyOwner, onlyOwner, done],
  ["POST /groups/ID/avatar/upload", "GIF89a", onlyOwner, onlyOwner, done],
  ["GET /groups/ID/avatar", undefined, noAvatar, noAvatar, noAvatar],
  ["POST /groups/ID/invites", {}, onlyModerators, done, done],
  ["GET /groups/ID/invites", undefined, onlyModerators, done, done],
  [
    "DELETE /groups/ID/invites/none",
    undefined,
    onlyModerators,
    { status: 404, detail: "Invite not found" },
    { status: 404, detail: "Invite not found" },
  ],
  ["GET /admin/audit?conversation_id=ID", undefined, onlyModerators, done, done],
];

describe.each(matrix)("%s %j", (route, body, asMember, asAdmin, asOwner) => {
  const expected: Record<keyof Cast, Outcome> = {
    stranger: hidden,
    former: hidden,
    member: asMember,
    admin: asAdmin,
    owner: asOwner,
  };
  test.each(["stranger", "former", "member", "admin", "owner"] as const)("as %s", async (role) => {
    const id = await newGroupOf(url, cast);
    const answer = await call(cast[role], route.replace("ID", id), body);
    expect(answer.status === 200 ? done : outcome(answer)).toEqual(expected[role]);
    if (expected[role] === done) return;
    // Nothing has changed.
    expect(await rolesOf(url, owner, id)).toEqual({
      [owner.id]: "owner",
      [admin.id]: "admin",
      [member.id]: "member",
    });
  });

  test("for a group that is none, and a conversation that is no group", async () => {
    const direct = await act(url, owner, "POST /conversations/direct", { peer_user_id: member.id });
    for (const id of [unknownId, String(direct["id"])]) {
      expect(outcome(await call(owner, route.replace("ID", id), body))).toEqual(hidden);
    }
  });
});

describe("POST /groups/{id}/members/{user_id}/role", () => {
  test("raises and lowers, and again changes nothing", async () => {
    const id = await newGroupOf(url, cast);
    const set = (role: string) => call(owner, `POST /groups/${id}/members/${member.id}/role`, { role });
    const roleNow = async () => (await rolesOf(url, owner, id))[member.id];
    for (const role of ["admin", "admin", "member", "member"]) {
      expect((await set(role)).body).toEqual({ detail: "ok" });
      expect(await roleNow()).toBe(role);
    }
    const byQuery = await call(owner, `POST /groups/${id}/members/${member.id}/role?role=admin`);
    expect(byQuery.body).toEqual({ detail: "ok" });
    expect(await roleNow()).toBe("admin");
  });

  test("gives no other role", async () => {
    const id = await newGroupOf(url, cast);
    for (const role of ["owner", "Admin", "", "moderator"]) {
      const answer = await call(owner, `POST /groups/${id}/members/${member.id}/role`, { role });
      expect(outcome(answer)).toEqual({ status: 400, detail: "Invalid role" });
    }
    for (const body of [{}, { role: 5 }, { role: null }]) {
      const answer = await call(owner, `POST /groups/${id}/members/${member.id}/role`, body);
      expect(placesOf(answer)).toEqual(["body.role"]);
    }
  });

  test("a removed member that comes back is a member, whatever they were", async () => {
    const id = await newGroupOf(url, cast);
    await act(url, owner, `DELETE /groups/${id}/members/${admin.id}`);
    await act(url, owner, `POST /groups/${id}/members`, [admin.id]);
    expect((await rolesOf(url, owner, id))[admin.id]).toBe("member");
  });
});

function transfer(actor: Person, id: string, new_owner_user_id: unknown): Promise<RestAnswer> {
  return call(actor, `POST /groups/${id}/transfer_ownership`, { new_owner_user_id });
}

describe("POST /groups/{id}/transfer_ownership", () => {
  test("makes the one the owner and the other an admin, and is theirs to do no more", async () => {
    const id = await newGroupOf(url, cast);
    expect((await transfer(owner, id, member.id)).body).toEqual({ detail: "ok" });
    expect(await rolesOf(url, owner, id)).toEqual({
      [owner.id]: "admin",
      [admin.id]: "admin",
      [member.id]: "owner",
    });
    expect((await call(admin, `GET /groups/${id}`)).body["owner_user_id"]).toBe(member.id);
    expect(outcome(await transfer(owner, id, member.id))).toEqual(onlyOwner);
    expect((await call(owner, `POST /groups/${id}/leave`)).status).toBe(200);
    expect((await call(member, `PATCH /groups/${id}`, { name: "mine" })).status).toBe(200);
  });

  test("to oneself changes nothing; to somebody who is not in it is refused", async () => {
    const id = await newGroupOf(url, cast);
    expect((await transfer(owner, id, owner.id)).body).toEqual({ detail: "ok" });
    for (const target of [cast.former.id, stranger.id, unknownId]) {
      expect(outcome(await transfer(owner, id, target))).toEqual(notInGroup);
    }
    for (const target of [undefined, null, "somebody", 5]) {
      expect(placesOf(await transfer(owner, id, target))).toEqual(["body.new_owner_user_id"]);
    }
    expect((await rolesOf(url, owner, id))[owner.id]).toBe("owner");
  });

  test("the owner is who conversation lists name", async () => {
    const id = await newGroupOf(url, cast);
    await act(url, owner, `POST /groups/${id}/transfer_ownership`, { new_owner_user_id: admin.id });
    const { conversations } = await act(url, member, "GET /messages/conversations");
    expect(conversations).toContainEqual(
      expect.objectContaining({ id, user_a: admin.id, user_b: admin.id, is_group: true, name: "Harbour" }),
    );
  });
});
