import type { ConversationId } from "@sotto/schema";
import { afterAll, describe, expect, test } from "vitest";
import { act, newGroup, newMember, newMembers, newThree, rolesOf } from "../groups.ts";
import type { RestAnswer } from "../rest-client.ts";
import { startTwoServers } from "../two-servers.ts";
import { outcome } from "./described-rest.ts";

const servers = await startTwoServers();
afterAll(() => servers[Symbol.asyncDispose]());
const { server, url, call } = servers;
const rounds = 8;

const statusOf = ({ status }: RestAnswer): number => status;
const statusesOf = (answers: RestAnswer[]): number[] => answers.map(statusOf).toSorted((a, b) => a - b);

/** The roles in the database, also of a group that nobody may read any more. */
async function storedRoles(id: string): Promise<string[]> {
  const rows = await server.app.db
    .selectFrom("conversation_members")
    .select("role")
    .where("conversation_id", "=", id as ConversationId)
    .where("to_seq", "is", null)
    .execute();
  return rows.map(({ role }) => role).toSorted();
}

describe("ownership", () => {
  test("of two transfers at once one is done, and there is one owner", async () => {
    const [owner, first, second] = await newThree(url);
    for (let round = 0; round < rounds; round++) {
      const id = await newGroup(url, owner, [first, second]);
      const answers = await Promise.all(
        [first, second].map((target, i) =>
          call(i, owner, `POST /groups/${id}/transfer_ownership`, { new_owner_user_id: target.id }),
        ),
      );
      expect(statusesOf(answers)).toEqual([200, 403]);
      expect(await storedRoles(id)).toEqual(["admin", "member", "owner"]);
    }
  });

  test("goes round a group whose members all pass it on", async () => {
    const members = await newMembers(url, 4);
    const [owner, ...others] = members;
    if (!owner) throw new Error("nobody");
    const id = await newGroup(url, owner, others);
    let passed = 0;
    for (let round = 0; round < rounds; round++) {
      const answers = await Promise.all(
        members.map((member, i) => {
          const next = members[(i + 1) % members.length];
          return call(i, member, `POST /groups/${id}/transfer_ownership`, { new_owner_user_id: next?.id });
        }),
      );
      passed += answers.filter(({ status }) => status === 200).length;
      expect((await storedRoles(id)).filter((role) => role === "owner")).toHaveLength(1);
    }
    expect(passed).toBeGreaterThanOrEqual(rounds);
  });

  test("is never handed to somebody who leaves at the same time", async () => {
    const [owner, next] = await newThree(url);
    for (let round = 0; round < rounds; round++) {
      const id = await newGroup(url, owner, [next]);
      const [transferred, left] = await Promise.all([
        call(0, owner, `POST /groups/${id}/transfer_ownership`, { new_owner_user_id: next.id }),
        call(1, next, `POST /groups/${id}/leave`),
      ]);
      const outcomes = [statusOf(transferred), statusOf(left)];
      expect([
        [200, 409],
        [404, 200],
      ]).toContainEqual(outcomes);
      expect(await storedRoles(id)).toEqual(outcomes[0] === 200 ? ["admin", "owner"] : ["owner"]);
    }
  });
});

describe("invites", () => {
  test.each([1, 7])("20 people at once use an invite for %i up, and no more join", async (maxUses) => {
    const owner = await newMember(url);
    const people = await newMembers(url, 20);
    const id = await newGroup(url, owner);
    const { code } = await act(url, owner, `POST /groups/${id}/invites`, { max_uses: maxUses });
    const answers = await Promise.all(
      people.map((person, i) => call(i, person, `POST /groups/invites/${String(code)}/accept`)),
    );
    const joined = people.filter((_, i) => answers[i]?.status === 200);
    expect(joined).toHaveLength(maxUses);
    for (const answer of answers.filter(({ status }) => status !== 200)) {
      expect(outcome(answer)).toEqual({ status: 429, detail: "Invite exhausted" });
    }
    expect(Object.keys(await rolesOf(url, owner, id)).toSorted()).toEqual(
      [owner, ...joined].map((person) => person.id).toSorted(),
    );
    expect((await call(0, owner, `GET /groups/invites/${String(code)}`)).body["remaining"]).toBe(0);
  });

  test("one person's twenty accepts use one up", async () => {
    const [owner, person] = await newThree(url);
    const id = await newGroup(url, owner);
    const { code } = await act(url, owner, `POST /groups/${id}/invites`, { max_uses: 2 });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => call(i, person, `POST /groups/invites/${String(code)}/accept`)),
    );
    expect(answers.map(statusOf)).toEqual(Array(20).fill(200));
    expect((await call(0, owner, `GET /groups/invites/${String(code)}`)).body["remaining"]).toBe(1);
    expect(await storedRoles(id)).toEqual(["member", "owner"]);
  });

  test("who accepts as it is revoked is in or is refused", async () => {
    const [owner, person] = await newThree(url);
    for (let round = 0; round < rounds; round++) {
      const id = await newGroup(url, owner);
      const { code } = await act(url, owner, `POST /groups/${id}/invites`);
      const [accepted, revoked] = await Promise.all([
        call(0, person, `POST /groups/invites/${String(code)}/accept`),
        call(1, owner, `DELETE /groups/${id}/invites/${String(code)}`),
      ]);
      expect(revoked.status).toBe(200);
      expect([200, 404]).toContain(accepted.status);
      expect(await storedRoles(id)).toHaveLength(accepted.status === 200 ? 2 : 1);
    }
  });
});

describe("members", () => {
  test("who leaves as they are removed goes once", async () => {
    const [owner, member] = await newThree(url);
    for (let round = 0; round < rounds; round++) {
      const id = await newGroup(url, owner, [member]);
      const [removed, left] = await Promise.all([
        call(0, owner, `DELETE /groups/${id}/members/${member.id}`),
        call(1, member, `POST /groups/${id}/leave`),
      ]);
      expect(statusesOf([removed, left])).toEqual([200, 404]);
      expect(await storedRoles(id)).toEqual(["owner"]);
      expect(await entriesOf(id)).toEqual([
        "created",
        removed.status === 200 ? "member_removed" : "member_left",
      ]);
    }
  });

  test("a role is changed before a removal or not at all", async () => {
    const [owner, member] = await newThree(url);
    for (let round = 0; round < rounds; round++) {
      const id = await newGroup(url, owner, [member]);
      const [changed, removed] = await Promise.all([
        call(0, owner, `POST /groups/${id}/members/${member.id}/role`, { role: "admin" }),
        call(1, owner, `DELETE /groups/${id}/members/${member.id}`),
      ]);
      expect(removed.status).toBe(200);
      expect([200, 404]).toContain(changed.status);
      expect(await storedRoles(id)).toEqual(["owner"]);
      const changes = changed.status === 200 ? ["role_changed", "member_removed"] : ["member_removed"];
      expect(await entriesOf(id)).toEqual(["created", ...changes]);
    }
  });

  test("an admin who is lowered at the same time removes before that or not at all", async () => {
    const [owner, admin, member] = await newThree(url);
    for (let round = 0; round < rounds; round++) {
      const id = await newGroup(url, owner, [admin, member]);
      await act(url, owner, `POST /groups/${id}/members/${admin.id}/role`, { role: "admin" });
      const [lowered, removed] = await Promise.all([
        call(0, owner, `POST /groups/${id}/members/${admin.id}/role`, { role: "member" }),
        call(1, admin, `DELETE /groups/${id}/members/${member.id}`),
      ]);
      expect(lowered.status).toBe(200);
      expect([200, 403]).toContain(removed.status);
      const order = removed.status === 200 ? ["member_removed", "role_changed"] : ["role_changed"];
      expect((await entriesOf(id)).slice(2)).toEqual(order);
    }
  });

  test("two admins who add the same people add each once", async () => {
    const [owner, admin, joining] = await newThree(url);
    const more = await newMembers(url, 3);
    for (let round = 0; round < rounds; round++) {
      const id = await newGroup(url, owner, [admin]);
      await act(url, owner, `POST /groups/${id}/members/${admin.id}/role`, { role: "admin" });
      const ids = [joining, ...more].map((person) => person.id);
      const answers = await Promise.all([
        call(0, owner, `POST /groups/${id}/members`, ids),
        call(1, admin, `POST /groups/${id}/members`, ids.toReversed()),
      ]);
      expect(answers.map(statusOf)).toEqual([200, 200]);
      expect(await storedRoles(id)).toEqual(["admin", "member", "member", "member", "member", "owner"]);
      expect((await entriesOf(id)).slice(2)).toEqual(["members_added"]);
    }
  });

  test("adding at once on both servers never goes above the limit", async () => {
    const owner = await newMember(url);
    const users = Array.from({ length: 1000 }, (_, i) => ({
      id: server.app.newId<never>(),
      phone: `+4940${1_000_000 + i}`,
      name: null,
      created_at: server.app.now(),
      last_seen_at: null,
    }));
    await server.app.db.insertInto("users").values(users).execute();
    const ids = users.map((user): string => user.id);
    const id = String(
      (await act(url, owner, "POST /groups", { name: "full", member_user_ids: ids.slice(0, 996) }))["id"],
    );
    const answers = await Promise.all(
      [ids.slice(996, 998), ids.slice(998)].map((adding, i) =>
        call(i, owner, `POST /groups/${id}/members`, adding),
      ),
    );
    expect(statusesOf(answers)).toEqual([200, 409]);
    expect(await storedRoles(id)).toHaveLength(999);
  });

  test("a block made as somebody is added either hinders it or comes after it", async () => {
    const [owner, blocked] = await newThree(url);
    for (let round = 0; round < rounds; round++) {
      const id = await newGroup(url, owner);
      const [added, made] = await Promise.all([
        call(0, owner, `POST /groups/${id}/members`, [blocked.id]),
        call(1, blocked, `POST /blocks?blocked_user_id=${owner.id}`),
      ]);
      expect(made.status).toBe(200);
      expect([200, 403]).toContain(added.status);
      expect(await storedRoles(id)).toHaveLength(added.status === 200 ? 2 : 1);
      expect((await call(0, owner, `POST /groups/${id}/members`, [blocked.id])).status).toBe(added.status);
      await act(url, blocked, `DELETE /blocks?blocked_user_id=${owner.id}`);
    }
  });
});

async function entriesOf(id: string): Promise<unknown[]> {
  const rows = await server.app.db
    .selectFrom("conversation_entries")
    .select(["seq", "event"])
    .where("conversation_id", "=", id as ConversationId)
    .orderBy("seq")
    .execute();
  expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, i) => i + 1));
  return rows.map(({ event }) => (event.type === "group.changed" ? event.action : event.type));
}
