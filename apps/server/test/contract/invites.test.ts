import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { act, newCast, newGroup, newGroupOf, newMember, rolesOf } from "../groups.ts";
import type { Json, Person, RestAnswer } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { listOf, outcome, placesOf, rest } from "./described-rest.ts";
import { aTime } from "./shapes.ts";

const start = Date.now();
const minute = 60_000;
let clock = start;
const server = await startTestServer({ now: () => new Date(clock) });
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => {
  clock = start;
});
const { url } = server;
const cast = await newCast(url);
const { owner, admin, member, former, stranger } = cast;

function call(actor: Person, route: string, body?: unknown): Promise<RestAnswer> {
  return rest(url, route, { token: actor.token, ...(body === undefined ? {} : { body }) });
}

const invite = (actor: Person, id: string, body: object = {}): Promise<Json> =>
  act(url, actor, `POST /groups/${id}/invites`, body);
const newCode = async (id: string, body: object = {}): Promise<string> =>
  String((await invite(owner, id, body))["code"]);
const preview = (code: string): Promise<RestAnswer> => rest(url, `GET /groups/invites/${code}`);
const accept = (person: Person, code: string): Promise<RestAnswer> =>
  call(person, `POST /groups/invites/${code}/accept`);

const unknown = { status: 404, detail: "Invite not found" };
const expired = { status: 410, detail: "Expired" };
const exhausted = { status: 429, detail: "Invite exhausted" };

describe("POST /groups/{id}/invites", () => {
  test("gives a code that cannot be guessed, without limits unless they are asked for", async () => {
    const id = await newGroupOf(url, cast);
    const made = await Promise.all(Array.from({ length: 20 }, () => invite(admin, id)));
    for (const each of made) {
      expect(each).toEqual({
        code: expect.stringMatching(/^[\w-]{32}$/) as unknown,
        expires_at: null,
        max_uses: 0,
      });
    }
    expect(new Set(made.map(({ code }) => code)).size).toBe(20);
    expect(await invite(owner, id, { expires_in_minutes: null, max_uses: null })).toMatchObject({
      expires_at: null,
      max_uses: 0,
    });
    const limited = await call(owner, `POST /groups/${id}/invites?expires_in_minutes=90`, { max_uses: 3 });
    expect(limited.body).toMatchObject({
      expires_at: new Date(start + 90 * minute).toISOString(),
      max_uses: 3,
    });
  });

  test.each([
    [{ expires_in_minutes: 0 }, "body.expires_in_minutes"],
    [{ expires_in_minutes: -5 }, "body.expires_in_minutes"],
    [{ expires_in_minutes: 1.5 }, "body.expires_in_minutes"],
    [{ expires_in_minutes: 1e9 }, "body.expires_in_minutes"],
    [{ expires_in_minutes: "soon" }, "body.expires_in_minutes"],
    [{ max_uses: -1 }, "body.max_uses"],
    [{ max_uses: 0.5 }, "body.max_uses"],
    [{ max_uses: 1e12 }, "body.max_uses"],
    [{ max_uses: {} }, "body.max_uses"],
  ])("calls %j malformed", async (body, place) => {
    const id = await newGroup(url, owner);
    expect(placesOf(await call(owner, `POST /groups/${id}/invites`, body))).toEqual([place]);
  });

  test("an Idempotency-Key makes one", async () => {
    const id = await newGroup(url, owner);
    const options = { token: owner.token, body: {}, headers: { "idempotency-key": `invite-${id}` } };
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => rest(url, `POST /groups/${id}/invites`, options)),
    );
    expect(new Set(answers.map(({ body }) => body["code"])).size).toBe(1);
    expect(listOf(await call(owner, `GET /groups/${id}/invites`))).toHaveLength(1);
  });

  test("a group has at most 100 that have not expired", async () => {
    const id = await newGroup(url, owner);
    for (let i = 0; i < 100; i++) await invite(owner, id, { expires_in_minutes: 10 });
    const refused = await call(owner, `POST /groups/${id}/invites`);
    expect(outcome(refused)).toEqual({ status: 409, detail: "Too many invites" });
    clock = start + 10 * minute;
    await invite(owner, id);
    expect(listOf(await call(owner, `GET /groups/${id}/invites`))).toHaveLength(1);
  });
});

describe("GET /groups/invites/{code}", () => {
  test("tells anybody which group it is, and no more", async () => {
    const id = await newGroup(url, owner, [member], "Harbour");
    const free = await newCode(id);
    const limited = await newCode(id, { max_uses: 2 });
    const answer = await preview(free);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ conversation_id: id, name: "Harbour", remaining: null });
    expect((await preview(limited)).body).toMatchObject({ remaining: 2 });
    await accept(admin, limited);
    expect((await preview(limited)).body).toMatchObject({ remaining: 1 });
    await accept(stranger, limited);
    expect((await preview(limited)).body).toMatchObject({ remaining: 0 });
    await act(url, owner, `PATCH /groups/${id}`, { name: "Pier" });
    expect((await preview(free)).body).toMatchObject({ name: "Pier", remaining: null });
  });

  test("of nothing is 404, and of one whose time is over 410", async () => {
    const id = await newGroup(url, owner);
    const code = await newCode(id, { expires_in_minutes: 5 });
    for (const bad of ["none", `${code}x`, code.toUpperCase(), "%20"]) {
      expect(outcome(await preview(bad)), bad).toEqual(unknown);
    }
    expect(placesOf(await preview("x".repeat(65)))).toEqual(["path.code"]);
    clock = start + 5 * minute - 1;
    expect((await preview(code)).status).toBe(200);
    clock = start + 5 * minute;
    expect(outcome(await preview(code))).toEqual(expired);
  });
});

test("guessing at codes is limited by address", async () => {
  await using strict = await startTestServer({ env: { RATE_LIMIT_PER_MINUTE: "3" } });
  const answers: RestAnswer[] = [];
  for (let i = 0; i < 5; i++) answers.push(await rest(strict.url, `GET /groups/invites/guess-${i}`));
  expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 429, 429]);
  expect(answers[3]?.body).toEqual({ detail: "Rate limit exceeded" });
  expect(Number(answers[3]?.headers.get("retry-after"))).toBeGreaterThan(0);
});

describe("POST /groups/invites/{code}/accept", () => {
  test("joins; a member accepting again uses nothing up", async () => {
    const id = await newGroupOf(url, cast);
    const code = await newCode(id, { max_uses: 2 });
    for (let i = 0; i < 3; i++) {
      const answer = await accept(stranger, code);
      expect(answer).toMatchObject({ status: 200, body: { detail: "ok", conversation_id: id } });
      expect(Object.keys(answer.body).toSorted()).toEqual(["conversation_id", "detail"]);
    }
    for (const person of [owner, admin, member]) expect((await accept(person, code)).status).toBe(200);
    expect((await preview(code)).body["remaining"]).toBe(1);
    expect(await rolesOf(url, stranger, id)).toEqual({
      [owner.id]: "owner",
      [admin.id]: "admin",
      [member.id]: "member",
      [stranger.id]: "member",
    });
  });

  test("is refused when used up, expired, revoked or unknown", async () => {
    const id = await newGroup(url, owner);
    const once = await newCode(id, { max_uses: 1 });
    const brief = await newCode(id, { expires_in_minutes: 1 });
    const revoked = await newCode(id);
    await act(url, owner, `DELETE /groups/${id}/invites/${revoked}`);
    expect((await accept(member, once)).status).toBe(200);
    expect(outcome(await accept(stranger, once))).toEqual(exhausted);
    expect((await accept(member, once)).status).toBe(200);
    expect(outcome(await accept(stranger, revoked))).toEqual(unknown);
    expect(outcome(await preview(revoked))).toEqual(unknown);
    expect(outcome(await accept(stranger, "none"))).toEqual(unknown);
    clock = start + minute;
    expect(outcome(await accept(stranger, brief))).toEqual(expired);
    expect(await rolesOf(url, owner, id)).toEqual({ [owner.id]: "owner", [member.id]: "member" });
  });

  test("lets in again who was removed, as long as nobody revokes it", async () => {
    const id = await newGroupOf(url, cast);
    const code = await newCode(id);
    expect((await accept(former, code)).status).toBe(200);
    await act(url, owner, `DELETE /groups/${id}/members/${former.id}`);
    await act(url, owner, `DELETE /groups/${id}/invites/${code}`);
    expect(outcome(await accept(former, code))).toEqual(unknown);
  });

  test("needs a token", async () => {
    const code = await newCode(await newGroup(url, owner));
    expect(outcome(await rest(url, `POST /groups/invites/${code}/accept`))).toEqual({
      status: 401,
      detail: "Not authenticated",
    });
  });

  test("under an Idempotency-Key is answered as the first time, and uses nothing more", async () => {
    const id = await newGroup(url, owner);
    const code = await newCode(id, { max_uses: 5 });
    const person = await newMember(url);
    const options = { token: person.token, headers: { "idempotency-key": "join" } };
    const first = await rest(url, `POST /groups/invites/${code}/accept`, options);
    await act(url, person, `POST /groups/${id}/leave`);
    expect((await rest(url, `POST /groups/invites/${code}/accept`, options)).body).toEqual(first.body);
    expect((await preview(code)).body["remaining"]).toBe(4);
    expect(await rolesOf(url, owner, id)).toEqual({ [owner.id]: "owner" });
  });
});

describe("GET and DELETE /groups/{id}/invites", () => {
  test("lists what has not expired, newest first, and revokes once", async () => {
    const id = await newGroupOf(url, cast);
    const other = await newGroup(url, owner);
    const first = await newCode(id, { max_uses: 2 });
    clock = start + 1;
    const second = String((await invite(admin, id, { expires_in_minutes: 1 }))["code"]);
    await newCode(other);
    await accept(stranger, first);
    const rows = listOf(await call(admin, `GET /groups/${id}/invites`));
    expect(rows).toEqual([
      expect.objectContaining({ code: second, created_by_user_id: admin.id, max_uses: 0, uses: 0 }),
      {
        code: first,
        created_by_user_id: owner.id,
        created_at: aTime,
        expires_at: null,
        max_uses: 2,
        uses: 1,
      },
    ]);
    // An invite is revoked by its own group alone.
    expect(outcome(await call(owner, `DELETE /groups/${other}/invites/${first}`))).toEqual(unknown);
    expect((await call(admin, `DELETE /groups/${id}/invites/${first}`)).body).toEqual({ detail: "ok" });
    expect(outcome(await call(admin, `DELETE /groups/${id}/invites/${first}`))).toEqual(unknown);
    clock = start + 2 * minute;
    expect(listOf(await call(owner, `GET /groups/${id}/invites`))).toEqual([]);
  });
});
