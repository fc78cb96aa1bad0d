import { afterAll, describe, expect, test } from "vitest";
import { act, newCast, newGroup, newGroupOf, newMember, newMembers, rolesOf } from "../groups.ts";
import type { Json, Person, RestAnswer } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { unknownId } from "./contract-routes.ts";
import { listOf, outcome, placesOf, rest } from "./described-rest.ts";
import { aTime, aUuidV7 } from "./shapes.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());
const { url } = server;
const cast = await newCast(url);
const { owner, admin, member, former, stranger } = cast;

function call(actor: Person, route: string, body?: unknown): Promise<RestAnswer> {
  return rest(url, route, { token: actor.token, ...(body === undefined ? {} : { body }) });
}

const ok = { status: 200, body: { detail: "ok" } };
const unknownGroup = { status: 404, detail: "Group not found" };
const nobody = { status: 404, detail: "User not found" };

async function mine(person: Person, id: string): Promise<Json | undefined> {
  return listOf(await call(person, "GET /groups")).find((group) => group["id"] === id);
}

describe("POST /groups", () => {
  test("makes a group with its maker as the owner, and everybody in it once", async () => {
    const made = await call(owner, "POST /groups", {
      name: "Größe 🚢",
      member_user_ids: [member.id, owner.id, admin.id, member.id],
    });
    expect(made).toMatchObject({ status: 200, body: { id: aUuidV7, name: "Größe 🚢" } });
    expect(Object.keys(made.body).toSorted()).toEqual(["id", "name"]);
    const id = String(made.body["id"]);
    const seen = await call(member, `GET /groups/${id}`);
    expect(seen.body).toEqual({
      id,
      name: "Größe 🚢",
      owner_user_id: owner.id,
      archived: false,
      members: expect.any(Array) as unknown,
    });
    const members = seen.body["members"] as Json[];
    expect(members).toHaveLength(3);
    for (const [person, role] of [
      [owner, "owner"],
      [admin, "member"],
      [member, "member"],
    ] as const) {
      expect(members).toContainEqual({ user_id: person.id, role, joined_at: aTime });
    }
    for (const person of [owner, member]) {
      expect(await mine(person, id)).toEqual({
        id,
        name: "Größe 🚢",
        member_count: 3,
        last_message_at: null,
        role: person === owner ? "owner" : "member",
        archived: false,
      });
    }
    expect(await mine(stranger, id)).toBeUndefined();
  });

  test("needs nobody else, and takes the members as the whole body", async () => {
    const alone = await call(owner, "POST /groups", { name: "n".repeat(128), member_user_ids: null });
    expect(await rolesOf(url, owner, String(alone.body["id"]))).toEqual({ [owner.id]: "owner" });
    const made = await call(owner, "POST /groups?name=By%20query", [member.id]);
    expect(made.body).toEqual({ id: aUuidV7, name: "By query" });
    expect(await rolesOf(url, member, String(made.body["id"]))).toEqual({
      [owner.id]: "owner",
      [member.id]: "member",
    });
  });

  test("with somebody unknown makes nothing", async () => {
    const before = listOf(await call(owner, "GET /groups")).length;
    const refused = await call(owner, "POST /groups", { name: "n", member_user_ids: [member.id, unknownId] });
    expect(outcome(refused)).toEqual(nobody);
    expect(listOf(await call(owner, "GET /groups"))).toHaveLength(before);
  });

  test.each([
    [{}, "body.name"],
    [{ name: "" }, "body.name"],
    [{ name: "n".repeat(129) }, "body.name"],
    [{ name: 5 }, "body.name"],
    [{ name: "a\0b" }, "body.name"],
    [{ name: "n", member_user_ids: "x" }, "body.member_user_ids"],
    [{ name: "n", member_user_ids: ["x"] }, "body.member_user_ids.0"],
    [{ name: "n", member_user_ids: [null] }, "body.member_user_ids.0"],
    [{ name: "n", member_user_ids: Array(2001).fill(unknownId) }, "body.member_user_ids"],
  ])("calls %j malformed", async (body, place) => {
    expect(placesOf(await call(owner, "POST /groups", body))).toContain(place);
  });

  test("an Idempotency-Key makes one group, and its members are told once", async () => {
    const options = {
      token: owner.token,
      body: { name: "once", member_user_ids: [member.id] },
      headers: { "idempotency-key": "one-group" },
    };
    const answers = await Promise.all(Array.from({ length: 5 }, () => rest(url, "POST /groups", options)));
    expect(new Set(answers.map(({ body }) => body["id"])).size).toBe(1);
  });

  test("has at most 1,000 members", async () => {
    const ids = await insertUsers(1000);
    const full = await call(owner, "POST /groups", { name: "full", member_user_ids: ids });
    expect(outcome(full)).toEqual({ status: 409, detail: "Group full" });
    const room = await call(owner, "POST /groups", { name: "full", member_user_ids: ids.slice(1) });
    const id = String(room.body["id"]);
    expect(await mine(owner, id)).toMatchObject({ member_count: 1000 });
    const add = (member_user_ids: unknown[]) =>
      call(owner, `POST /groups/${id}/members`, { member_user_ids });
    expect(outcome(await add([ids[0]]))).toEqual({ status: 409, detail: "Group full" });
    expect(await add([ids[1], ids[2], owner.id])).toMatchObject(ok);
  });
});

async function insertUsers(count: number): Promise<string[]> {
  const { app } = server;
  const users = Array.from({ length: count }, (_, i) => ({
    id: app.newId<never>(),
    phone: `+4930${1_000_000 + i}`,
    name: null,
    created_at: app.now(),
    last_seen_at: null,
  }));
  await app.db.insertInto("users").values(users).execute();
  return users.map(({ id }) => id);
}

describe("GET /groups", () => {
  test("the last active stands first, and time of the last message is shown", async () => {
    const person = await newMember(url);
    const first = await newGroup(url, person, [], "first");
    const second = await newGroup(url, person, [], "second");
    const names = async () => listOf(await call(person, "GET /groups")).map((group) => group["name"]);
    expect(await names()).toEqual(["second", "first"]);
    await act(url, person, "POST /messages/send_group", {
      conversation_id: first,
      sender_device_id: "phone",
      ciphertext: "c",
    });
    expect(await names()).toEqual(["first", "second"]);
    expect(await mine(person, first)).toMatchObject({ last_message_at: aTime });
    expect(await mine(person, second)).toMatchObject({ last_message_at: null });
  });
});

describe("PATCH /groups/{id}", () => {
  test("renames, and again changes nothing", async () => {
    const id = await newGroup(url, owner, [member]);
    for (let i = 0; i < 2; i++)
      expect(await call(owner, `PATCH /groups/${id}`, { name: "Pier" })).toMatchObject(ok);
    expect((await call(member, `GET /groups/${id}`)).body["name"]).toBe("Pier");
    const audit = await call(owner, `GET /admin/audit?conversation_id=${id}`);
    expect(audit.body["entries"]).toHaveLength(1);
    expect(await call(owner, `PATCH /groups/${id}?name=Quay`)).toMatchObject(ok);
    expect((await call(member, `GET /groups/${id}`)).body["name"]).toBe("Quay");
  });

  test.each([[{}], [{ name: "" }], [{ name: "n".repeat(129) }], [{ name: null }]])(
    "calls %j malformed",
    async (body) => {
      const id = await newGroup(url, owner);
      expect(placesOf(await call(owner, `PATCH /groups/${id}`, body))).toEqual(["body.name"]);
    },
  );
});

describe("POST /groups/{id}/members", () => {
  test("adds, also by the whole body, and who is in stays as they are", async () => {
    const [one, two] = await newMembers(url, 2);
    if (!one || !two) throw new Error("nobody");
    const id = await newGroupOf(url, cast);
    const add = (actor: Person, body: unknown) => call(actor, `POST /groups/${id}/members`, body);
    expect(await add(owner, { member_user_ids: [one.id, admin.id, owner.id, one.id] })).toMatchObject(ok);
    expect(await add(admin, [two.id, one.id])).toMatchObject(ok);
    expect(await add(admin, [two.id])).toMatchObject(ok);
    expect(await add(admin, [])).toMatchObject(ok);
    expect(await rolesOf(url, one, id)).toEqual({
      [owner.id]: "owner",
      [admin.id]: "admin",
      [member.id]: "member",
      [one.id]: "member",
      [two.id]: "member",
    });
  });

  test("with somebody unknown adds nobody", async () => {
    const id = await newGroup(url, owner);
    expect(outcome(await call(owner, `POST /groups/${id}/members`, [member.id, unknownId]))).toEqual(nobody);
    expect(await rolesOf(url, owner, id)).toEqual({ [owner.id]: "owner" });
  });

  test.each([
    [{}, "body.member_user_ids"],
    [{ member_user_ids: null }, "body.member_user_ids"],
    [{ member_user_ids: ["no id"] }, "body.member_user_ids.0"],
    [["no id"], "body.member_user_ids.0"],
  ])("calls %j malformed", async (body, place) => {
    const id = await newGroup(url, owner);
    expect(placesOf(await call(owner, `POST /groups/${id}/members`, body))).toEqual([place]);
  });
});

describe("a block", () => {
  test("either way keeps one from adding the other, and hinders nobody else", async () => {
    const [blocker, blocked, third] = await newMembers(url, 3);
    if (!blocker || !blocked || !third) throw new Error("nobody");
    await act(url, blocker, `POST /blocks?blocked_user_id=${blocked.id}`);
    const refused = { status: 403, detail: "User blocked" };
    for (const [actor, added] of [
      [blocker, blocked],
      [blocked, blocker],
    ] as const) {
      const made = await call(actor, "POST /groups", { name: "n", member_user_ids: [third.id, added.id] });
      expect(outcome(made)).toEqual(refused);
      const id = await newGroup(url, actor, [third]);
      expect(outcome(await call(actor, `POST /groups/${id}/members`, [owner.id, added.id]))).toEqual(refused);
      expect(Object.keys(await rolesOf(url, actor, id))).toHaveLength(2);
      await act(url, actor, `POST /groups/${id}/members/${third.id}/role`, { role: "admin" });
      await act(url, third, `POST /groups/${id}/members`, [added.id]);
      // Who is in already is not added.
      expect(await call(actor, `POST /groups/${id}/members`, [added.id])).toMatchObject(ok);
    }
  });
});

describe("DELETE /groups/{id}/members/{user_id}", () => {
  test("removes, and once", async () => {
    const id = await newGroupOf(url, cast);
    const remove = (actor: Person, target: { id: string }) =>
      call(actor, `DELETE /groups/${id}/members/${target.id}`);
    expect(await remove(admin, member)).toMatchObject(ok);
    const gone = { status: 404, detail: "User not in group" };
    for (const target of [member, former, stranger])
      expect(outcome(await remove(owner, target))).toEqual(gone);
    expect(outcome(await call(member, `GET /groups/${id}`))).toEqual(unknownGroup);
    expect(await mine(member, id)).toBeUndefined();
    expect(await remove(owner, admin)).toMatchObject(ok);
    expect(await rolesOf(url, owner, id)).toEqual({ [owner.id]: "owner" });
  });

  test("an admin removes members only", async () => {
    const id = await newGroupOf(url, cast);
    const other = await newMember(url);
    await act(url, owner, `POST /groups/${id}/members`, [other.id]);
    await act(url, owner, `POST /groups/${id}/members/${other.id}/role`, { role: "admin" });
    for (const target of [owner, other]) {
      expect(outcome(await call(admin, `DELETE /groups/${id}/members/${target.id}`))).toEqual({
        status: 403,
        detail: "Admins remove members only",
      });
    }
  });

  test("of oneself is leaving", async () => {
    const id = await newGroupOf(url, cast);
    expect(await call(member, `DELETE /groups/${id}/members/${member.id}`)).toMatchObject(ok);
    expect(outcome(await call(owner, `DELETE /groups/${id}/members/${owner.id}`))).toEqual({
      status: 409,
      detail: "Transfer ownership first",
    });
    expect(await rolesOf(url, owner, id)).toEqual({ [owner.id]: "owner", [admin.id]: "admin" });
  });

  test("calls what is no id malformed", async () => {
    const id = await newGroup(url, owner);
    expect(placesOf(await call(owner, `DELETE /groups/${id}/members/somebody`))).toEqual(["path.user_id"]);
    expect(placesOf(await call(owner, "GET /groups/mine"))).toEqual(["path.conversation_id"]);
  });
});

const leave = (person: Person, id: string): Promise<RestAnswer> => call(person, `POST /groups/${id}/leave`);

describe("POST /groups/{id}/leave", () => {
  test("members and admins leave, and once", async () => {
    const id = await newGroupOf(url, cast);
    for (const person of [member, admin]) {
      expect(await leave(person, id)).toMatchObject(ok);
      expect(outcome(await leave(person, id))).toEqual(unknownGroup);
    }
    expect(await rolesOf(url, owner, id)).toEqual({ [owner.id]: "owner" });
  });

  test("the owner leaves last, which archives the group", async () => {
    const id = await newGroup(url, owner, [member]);
    expect(outcome(await leave(owner, id))).toEqual({ status: 409, detail: "Transfer ownership first" });
    await act(url, member, `POST /groups/${id}/leave`);
    expect(await leave(owner, id)).toMatchObject(ok);
    for (const person of [owner, member]) {
      expect(outcome(await call(person, `GET /groups/${id}`))).toEqual(unknownGroup);
    }
    const row = await server.app.db
      .selectFrom("conversations")
      .select("archived_at")
      .where("id", "=", id as never)
      .executeTakeFirst();
    expect(row?.archived_at).toBeInstanceOf(Date);
  });
});

describe("POST /groups/{id}/archive", () => {
  test("an archived group takes neither messages nor members; it can be left and taken up again", async () => {
    const id = await newGroupOf(url, cast);
    const { code } = await act(url, owner, `POST /groups/${id}/invites`, {});
    for (let i = 0; i < 2; i++) expect(await call(owner, `POST /groups/${id}/archive`)).toMatchObject(ok);
    expect(await mine(member, id)).toMatchObject({ archived: true });
    const archived = { status: 409, detail: "Group archived" };
    const send = { conversation_id: id, sender_device_id: "phone", ciphertext: "c" };
    expect(outcome(await call(member, "POST /messages/send_group", send))).toEqual(archived);
    expect(outcome(await call(owner, `POST /groups/${id}/members`, [stranger.id]))).toEqual(archived);
    expect(outcome(await call(owner, `POST /groups/${id}/invites`, {}))).toEqual(archived);
    expect(outcome(await call(stranger, `POST /groups/invites/${String(code)}/accept`))).toEqual(archived);
    expect(await call(member, `POST /groups/${id}/leave`)).toMatchObject(ok);
    expect(await call(owner, `POST /groups/${id}/archive?archived=false`)).toMatchObject(ok);
    expect(await call(owner, "POST /messages/send_group", send)).toMatchObject({ status: 200 });
    expect(await call(owner, `POST /groups/${id}/members`, [stranger.id])).toMatchObject(ok);
    expect(await mine(admin, id)).toMatchObject({ archived: false, member_count: 3 });
  });

  test("reads archived from the query or the body, and nothing but a boolean", async () => {
    const id = await newGroup(url, owner);
    expect(await call(owner, `POST /groups/${id}/archive`, { archived: true })).toMatchObject(ok);
    expect(await mine(owner, id)).toMatchObject({ archived: true });
    expect(await call(owner, `POST /groups/${id}/archive?archived=0`, { archived: true })).toMatchObject(ok);
    expect(await mine(owner, id)).toMatchObject({ archived: false });
    expect((await call(owner, `POST /groups/${id}/archive?archived=maybe`)).status).toBe(422);
  });
});
