import { newPerson, type DevicePerson } from "../people.ts";
import { aTime, aUuidV7 } from "../shapes.ts";
import { strangers } from "./messages-routes.ts";
import {
  noBodyIds,
  noIds,
  ok,
  unknownId,
  type Asked,
  type PageRoute,
  type Refusal,
  withBody,
} from "./page.ts";
import { newGroup, type NewGroup } from "./group-world.ts";
import { act, type World } from "./world.ts";

type Who = "owner" | "admin" | "member";
type More = (world: World, group: NewGroup) => Partial<Asked> | Promise<Partial<Asked>>;

/** Asks something of a new group: as its owner unless it says otherwise. */
export async function onGroup(world: World, more: More = () => ({}), who: Who = "owner"): Promise<Asked> {
  const group = await newGroup(world);
  const people: Record<Who, DevicePerson> = { owner: world.ada, admin: world.bob, member: group.member };
  const { params, ...asked } = await more(world, group);
  return { by: people[who], ...asked, params: { id: group.id, ...params } };
}

/** Those who may not, although they are in the group. */
export function forbidden(roles: Who[], more: More, detail?: string): Refusal[] {
  return roles.map((who) => ({
    status: 403,
    ...(detail ? { detail } : {}),
    why: `the ${who}`,
    ask: (world) => onGroup(world, more, who),
  }));
}

const noNames = ["", "x".repeat(129), 5, null, true, [], {}];

const renaming: More = () => ({ body: { name: "Pier" } });
const adding: More = async ({ url }) => ({ body: { member_user_ids: [(await newPerson(url)).id] } });
const removing: More = (_, { member }) => ({ params: { user_id: member.id } });
const promoting: More = (_, { member }) => ({ params: { user_id: member.id }, body: { role: "admin" } });
const transferring: More = ({ bob }) => ({ body: { new_owner_user_id: bob.id } });
const archiving: More = () => ({ query: { archived: "true" } });

const nobodyThere = strangers("Group not found", (world) => onGroup(world));
const noGroup = (more: More): Refusal[] => strangers("Group not found", (world) => onGroup(world, more));

const making: PageRoute[] = [
  {
    route: "POST /groups",
    auth: "user",
    good: ({ ada, bob }) => ({ by: ada, body: { name: "Harbour", member_user_ids: [bob.id] } }),
    answer: () => ({ id: aUuidV7, name: "Harbour" }),
    cases: [
      {
        why: "nobody else",
        ask: ({ ada }) => ({ by: ada, body: { name: "Alone" } }),
        answer: () => ({ id: aUuidV7, name: "Alone" }),
      },
      {
        why: "ids as the whole body",
        ask: ({ ada, bob }) => ({ by: ada, query: { name: "Harbour" }, body: [bob.id] }),
        answer: () => ({ id: aUuidV7, name: "Harbour" }),
      },
    ],
    wrong: { name: noNames, member_user_ids: [5, "abc", {}, [5], ["abc"], [null], [[]]] },
    required: ["name"],
    refusals: [
      {
        status: 404,
        detail: "User not found",
        why: "unknown members",
        ask: ({ ada, bob }) => ({ by: ada, body: { name: "N", member_user_ids: [bob.id, unknownId] } }),
      },
    ],
    again: "another",
    creates: withBody({ name: "another" }),
  },
  {
    route: "GET /groups",
    auth: "user",
    good: async (world) => ({ by: (await newGroup(world)).member }),
    answer: () => [
      {
        id: aUuidV7,
        name: "Harbour",
        member_count: 3,
        last_message_at: null,
        role: "member",
        archived: false,
      },
    ],
    again: "the same",
  },
  {
    route: "GET /groups/{id}",
    auth: "user",
    good: (world) => onGroup(world),
    answer: ({ ada, bob }, { params }) => ({
      id: params?.["id"],
      name: "Harbour",
      owner_user_id: ada.id,
      archived: false,
      members: [
        { user_id: ada.id, role: "owner", joined_at: aTime },
        { user_id: bob.id, role: "admin", joined_at: aTime },
        { user_id: aUuidV7, role: "member", joined_at: aTime },
      ],
    }),
    wrong: { id: noIds },
    refusals: nobodyThere,
    again: "the same",
  },
  {
    route: "PATCH /groups/{id}",
    auth: "user",
    good: (world) => onGroup(world, renaming),
    answer: () => ok,
    wrong: { id: noIds, name: noNames },
    required: ["name"],
    refusals: [...noGroup(renaming), ...forbidden(["admin", "member"], renaming, "Only owner")],
    again: "the same",
  },
];

const membership: PageRoute[] = [
  {
    route: "POST /groups/{id}/members",
    auth: "user",
    good: (world) => onGroup(world, adding),
    answer: () => ok,
    cases: [
      { why: "an admin", ask: (world) => onGroup(world, adding, "admin"), answer: () => ok },
      {
        why: "ids as the whole body",
        ask: (world) => onGroup(world, async ({ url }) => ({ body: [(await newPerson(url)).id] })),
        answer: () => ok,
      },
    ],
    wrong: { id: noIds, member_user_ids: [5, "abc", {}, [5], ["abc"], [null]] },
    required: ["member_user_ids"],
    refusals: [
      ...noGroup(adding),
      ...forbidden(["member"], adding),
      {
        status: 404,
        detail: "User not found",
        why: "somebody unknown",
        ask: (world) => onGroup(world, () => ({ body: { member_user_ids: [unknownId] } })),
      },
      {
        status: 403,
        why: "somebody who blocks the actor",
        ask: (world) =>
          onGroup(world, async ({ ada, url }) => {
            const other = await newPerson(url);
            await act(world, other, `POST /blocks?blocked_user_id=${ada.id}`);
            return { body: { member_user_ids: [other.id] } };
          }),
      },
    ],
    again: "the same",
    creates: (asked, { eve }) => ({ ...asked, body: { member_user_ids: [eve.id] } }),
  },
  {
    route: "DELETE /groups/{id}/members/{user_id}",
    auth: "user",
    good: (world) => onGroup(world, removing),
    answer: () => ok,
    cases: [{ why: "an admin", ask: (world) => onGroup(world, removing, "admin"), answer: () => ok }],
    wrong: { id: noIds, user_id: noIds },
    refusals: [
      ...noGroup(removing),
      ...forbidden(["member"], ({ bob }) => ({ params: { user_id: bob.id } })),
      ...forbidden(["admin"], ({ ada }) => ({ params: { user_id: ada.id } })),
    ],
    again: { status: 404, detail: "User not in group" },
  },
  {
    route: "POST /groups/{id}/leave",
    auth: "user",
    good: (world) => onGroup(world, () => ({}), "member"),
    answer: () => ok,
    wrong: { id: noIds },
    refusals: [
      ...nobodyThere,
      {
        status: 409,
        detail: "Transfer ownership first",
        why: "the owner with others left",
        ask: (world) => onGroup(world),
      },
    ],
    again: { status: 404, detail: "Group not found" },
  },
  {
    route: "POST /groups/{id}/members/{user_id}/role",
    auth: "user",
    good: (world) => onGroup(world, promoting),
    answer: () => ok,
    wrong: { id: noIds, user_id: noIds, role: [5, null, true, [], {}] },
    required: ["role"],
    refusals: [
      ...noGroup(promoting),
      ...forbidden(["admin", "member"], promoting, "Only owner"),
      ...["", "owner", "Admin", "king"].map((role) => ({
        status: 400,
        detail: "Invalid role",
        why: `the role ${JSON.stringify(role)}`,
        ask: (world: World) =>
          onGroup(world, (_, { member }) => ({ params: { user_id: member.id }, body: { role } })),
      })),
      {
        status: 404,
        detail: "User not in group",
        why: "somebody who is not in it",
        ask: (world) =>
          onGroup(world, ({ eve }) => ({ params: { user_id: eve.id }, body: { role: "admin" } })),
      },
    ],
    again: "the same",
  },
  {
    route: "POST /groups/{id}/transfer_ownership",
    auth: "user",
    good: (world) => onGroup(world, transferring),
    answer: () => ok,
    wrong: { id: noIds, new_owner_user_id: noBodyIds },
    required: ["new_owner_user_id"],
    refusals: [
      ...noGroup(transferring),
      ...forbidden(["admin", "member"], transferring, "Only owner"),
      {
        status: 404,
        why: "to somebody who is not in it",
        ask: (world) => onGroup(world, ({ eve }) => ({ body: { new_owner_user_id: eve.id } })),
      },
    ],
    again: { status: 403, detail: "Only owner" },
  },
  {
    route: "POST /groups/{id}/archive",
    auth: "user",
    good: (world) => onGroup(world, archiving),
    answer: () => ok,
    cases: [{ why: "true by default", ask: (world) => onGroup(world), answer: () => ok }],
    wrong: { id: noIds, archived: ["x", "2", ""] },
    movable: ["archived"],
    refusals: [...noGroup(archiving), ...forbidden(["admin", "member"], archiving)],
    again: "the same",
  },
];

const toGroup: More = (_, { id }) => ({
  body: { conversation_id: id, sender_device_id: "phone", ciphertext: "c" },
});

async function sendingToGroup(world: World): Promise<Asked> {
  const { by, body } = await onGroup(world, toGroup, "member");
  return { by: by ?? world.ada, body };
}

const groupSend: PageRoute = {
  route: "POST /messages/send_group",
  auth: "user",
  good: sendingToGroup,
  answer: () => ({ detail: "ok", message_ids: [aUuidV7] }),
  wrong: {
    conversation_id: noBodyIds,
    sender_device_id: [5, true, null, [], {}, "", "x".repeat(65)],
    ciphertext: [5, true, null, [], {}, ""],
    client_message_id: [5, true, [], {}, "", "x".repeat(65)],
  },
  required: ["conversation_id", "sender_device_id", "ciphertext"],
  refusals: [
    {
      status: 404,
      detail: "Group not found",
      why: "a stranger",
      ask: async (world) => ({ ...(await sendingToGroup(world)), by: world.eve }),
    },
    {
      status: 404,
      detail: "Group not found",
      why: "a conversation of two",
      ask: async (world) => {
        const { by, body } = await sendingToGroup(world);
        return { by: by ?? world.ada, body: { ...(body as object), conversation_id: world.conversation } };
      },
    },
    {
      status: 409,
      detail: "Group archived",
      why: "an archived group",
      ask: async (world) => {
        const { by, body, params } = await onGroup(world, toGroup, "member");
        await act(world, world.ada, `POST /groups/${params?.["id"]}/archive`);
        return { by: by ?? world.ada, body };
      },
    },
    {
      status: 413,
      why: "too large",
      ask: async (world) => {
        const { by, body } = await sendingToGroup(world);
        return { by: by ?? world.ada, body: { ...(body as object), ciphertext: "x".repeat(262_145) } };
      },
    },
  ],
  again: "another",
  creates: withBody({ ciphertext: "b3RoZXI=" }),
};

export const groupsRoutes: PageRoute[] = [...making, ...membership, groupSend];
