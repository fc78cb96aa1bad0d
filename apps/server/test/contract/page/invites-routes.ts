import { aTime, aUuidV7 } from "../shapes.ts";
import { newGroup } from "./group-world.ts";
import { forbidden, onGroup } from "./groups-routes.ts";
import { strangers } from "./messages-routes.ts";
import { aString, noIds, type Asked, type PageRoute, withBody } from "./page.ts";
import { act, type World } from "./world.ts";

const inviting = () => ({ body: { expires_in_minutes: 60, max_uses: 2 } });

/** A new invite, asked for by somebody who is not in the group. */
async function invited(world: World, by: World["ada"], limits: object = { max_uses: 2 }): Promise<Asked> {
  const { id } = await newGroup(world);
  const invite = await act(world, world.ada, `POST /groups/${id}/invites`, limits);
  return { by, params: { code: String(invite["code"]) } };
}

/** An invite whose only use is used up. */
async function exhausted(world: World): Promise<Asked> {
  const { params } = await invited(world, world.eve, { max_uses: 1 });
  const { member } = await newGroup(world);
  await act(world, member, `POST /groups/invites/${params?.["code"]}/accept`);
  return { by: world.eve, params: params ?? {} };
}

/** An invite that has run out by now. */
async function expired(world: World): Promise<Asked> {
  world.clock.behindMs = 120_000;
  const asked = await invited(world, world.eve, { expires_in_minutes: 1 });
  world.clock.behindMs = 0;
  return asked;
}

const outOfTime = { status: 410, detail: "Expired", why: "one that has expired", ask: expired };

const unknownCode = {
  status: 404,
  why: "an unknown code",
  ask: ({ eve }: World) => ({ by: eve, params: { code: "nonesuch-nonesuch-nonesuch" } }),
};

export const invitesRoutes: PageRoute[] = [
  {
    route: "POST /groups/{id}/invites",
    auth: "user",
    good: (world) => onGroup(world, inviting),
    answer: () => ({ code: aString, expires_at: aTime, max_uses: 2 }),
    cases: [
      {
        why: "an admin, without limits",
        ask: (world) => onGroup(world, () => ({}), "admin"),
        answer: () => ({ code: aString, expires_at: null, max_uses: 0 }),
      },
    ],
    wrong: {
      id: noIds,
      expires_in_minutes: ["x", true, [], {}, -1, 1.5, 1e300],
      max_uses: ["x", true, [], {}, -1, 1.5, 1e300],
    },
    refusals: [
      ...strangers("Group not found", (world) => onGroup(world, inviting)),
      ...forbidden(["member"], inviting),
    ],
    again: "another",
    creates: withBody({ max_uses: 7 }),
  },
  {
    route: "GET /groups/invites/{code}",
    auth: "none",
    good: async (world) => {
      const { params } = await invited(world, world.eve);
      return { params: params ?? {} };
    },
    answer: () => ({ conversation_id: aUuidV7, name: "Harbour", remaining: 2 }),
    cases: [
      {
        why: "one without limit",
        ask: (world) => invited(world, world.eve, {}),
        answer: () => ({ conversation_id: aUuidV7, name: "Harbour", remaining: null }),
      },
    ],
    refusals: [unknownCode, outOfTime],
    again: "the same",
  },
  {
    route: "POST /groups/invites/{code}/accept",
    auth: "user",
    good: (world) => invited(world, world.eve),
    answer: () => ({ detail: "ok", conversation_id: aUuidV7 }),
    refusals: [
      unknownCode,
      outOfTime,
      { status: 429, detail: "Invite exhausted", why: "one that is used up", ask: exhausted },
    ],
    again: "the same",
    creates: async ({ by, headers }, world) => ({
      ...(await invited(world, by ?? world.eve)),
      ...(headers ? { headers } : {}),
    }),
  },
];
