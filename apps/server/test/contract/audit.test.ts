import { afterAll, expect, test } from "vitest";
import { act, newCast, newGroup, newGroupOf } from "../groups.ts";
import type { Json, Person } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { unknownId } from "./contract-routes.ts";
import { fieldList, placesOf, rest } from "./described-rest.ts";
import { aTime, aUuidV7 } from "./shapes.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());
const { url } = server;
const cast = await newCast(url);
const { owner, admin, member, former, stranger } = cast;

async function auditOf(id: string, query = "", reader: Person = owner): Promise<Json[]> {
  const answer = await rest(url, `GET /admin/audit?conversation_id=${id}${query}`, { token: reader.token });
  return fieldList(answer, "entries");
}

const moderated = (action: string, actor: Person, target?: Person): Json => ({
  action,
  actor_user_id: actor.id,
  target_user_id: target?.id ?? null,
});

test("holds a row for every act of a moderator, newest first, and none for what members do", async () => {
  const id = await newGroup(url, owner, [admin, member, former]);
  await act(url, owner, `POST /groups/${id}/members/${admin.id}/role`, { role: "admin" });
  await act(url, admin, `DELETE /groups/${id}/members/${former.id}`);
  await act(url, owner, `PATCH /groups/${id}`, { name: "Pier" });
  const { code } = await act(url, admin, `POST /groups/${id}/invites`);
  await act(url, stranger, `POST /groups/invites/${String(code)}/accept`);
  await act(url, admin, `DELETE /groups/${id}/invites/${String(code)}`);
  await act(url, stranger, `POST /groups/${id}/leave`);
  await act(url, admin, `POST /groups/${id}/members`, [former.id, stranger.id, member.id]);
  await act(url, owner, `POST /groups/${id}/archive`);
  await act(url, owner, `POST /groups/${id}/archive?archived=false`);
  await act(url, owner, `POST /groups/${id}/transfer_ownership`, { new_owner_user_id: admin.id });
  const rows = await auditOf(id);
  expect(
    rows.map(({ action, actor_user_id, target_user_id }) => ({ action, actor_user_id, target_user_id })),
  ).toEqual([
    moderated("ownership_transferred", owner, admin),
    moderated("group_unarchived", owner),
    moderated("group_archived", owner),
    moderated("member_added", admin, stranger),
    moderated("member_added", admin, former),
    moderated("invite_revoked", admin),
    moderated("invite_created", admin),
    moderated("group_renamed", owner),
    moderated("member_removed", admin, former),
    moderated("role_changed", owner, admin),
  ]);
  for (const row of rows) {
    expect(row).toEqual({ ...row, id: aUuidV7, conversation_id: id, message_id: null, created_at: aTime });
    expect(Object.keys(row)).toHaveLength(7);
  }
  // The new owner and the new admin read it alike.
  expect(await auditOf(id, "", admin)).toEqual(rows);
});

test("what is refused or changes nothing leaves no row", async () => {
  const id = await newGroupOf(url, cast);
  const before = await auditOf(id);
  for (const [actor, route, body] of [
    [member, `PATCH /groups/${id}`, { name: "n" }],
    [admin, `DELETE /groups/${id}/members/${owner.id}`, undefined],
    [owner, `PATCH /groups/${id}`, { name: "Harbour" }],
    [owner, `POST /groups/${id}/members`, [member.id]],
    [owner, `POST /groups/${id}/members/${admin.id}/role`, { role: "admin" }],
    [owner, `POST /groups/${id}/archive?archived=false`, undefined],
    [owner, `POST /groups/${id}/transfer_ownership`, { new_owner_user_id: owner.id }],
    [owner, `POST /groups/${id}/members`, [unknownId]],
  ] as const) {
    await rest(url, route, { token: actor.token, ...(body ? { body } : {}) });
  }
  expect(await auditOf(id)).toEqual(before);
});

test("comes in pages", async () => {
  const id = await newGroup(url, owner);
  for (let i = 0; i < 7; i++) await act(url, owner, `PATCH /groups/${id}`, { name: `n${i}` });
  const all = await auditOf(id);
  expect(all).toHaveLength(7);
  const paged: Json[] = [];
  for (;;) {
    const last = paged.at(-1);
    const page = await auditOf(id, `&limit=3${last ? `&before=${String(last["id"])}` : ""}`);
    if (page.length === 0) break;
    expect(page.length).toBeLessThanOrEqual(3);
    paged.push(...page);
  }
  expect(paged).toEqual(all);
});

test.each([
  ["", "query.conversation_id"],
  ["?conversation_id=x", "query.conversation_id"],
  [`?conversation_id=${unknownId}&before=yesterday`, "query.before"],
  [`?conversation_id=${unknownId}&limit=0`, "query.limit"],
  [`?conversation_id=${unknownId}&limit=201`, "query.limit"],
])("calls %j malformed", async (query, place) => {
  expect(placesOf(await rest(url, `GET /admin/audit${query}`, { token: owner.token }))).toEqual([place]);
});
