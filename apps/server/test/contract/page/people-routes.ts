import { randomPhone } from "../../rest-client.ts";
import { newPerson } from "../people.ts";
import { aTime } from "../shapes.ts";
import { noIds, ok, unknownId, type Asked, type PageRoute, withBody } from "./page.ts";
import { act, type World } from "./world.ts";

/** Somebody new, whom nothing that happened before concerns. */
async function pair({ url }: World) {
  return { by: await newPerson(url), other: await newPerson(url) };
}

async function block(world: World): Promise<Asked> {
  const { by, other } = await pair(world);
  return { by, query: { blocked_user_id: other.id } };
}

const blockSelf = {
  status: 400,
  detail: "Cannot block self",
  why: "oneself",
  ask: ({ ada }: World) => ({ by: ada, query: { blocked_user_id: ada.id } }),
};

const contactsRoutes: PageRoute[] = [
  {
    route: "POST /contacts/add",
    auth: "user",
    good: async (world) => {
      const { by, other } = await pair(world);
      return { by, body: { phone: other.phone } };
    },
    answer: () => ok,
    wrong: { phone: [5, true, null, [], {}] },
    required: ["phone"],
    refusals: [
      {
        status: 404,
        detail: "Contact not found",
        why: "a phone that nobody has",
        ask: ({ ada }) => ({ by: ada, body: { phone: randomPhone() } }),
      },
      {
        status: 400,
        detail: "Cannot add self",
        why: "one's own phone",
        ask: ({ ada }) => ({ by: ada, body: { phone: ada.phone } }),
      },
    ],
    again: "the same",
    creates: withBody({ phone: "+4915199999999" }),
  },
  {
    route: "GET /contacts",
    auth: "user",
    good: async (world) => {
      const { by } = await pair(world);
      await act(world, by, "POST /contacts/add", { phone: world.bob.phone });
      return { by };
    },
    answer: ({ bob }) => [{ user_id: bob.id, phone: bob.phone, name: null }],
    again: "the same",
  },
];

const blocksRoutes: PageRoute[] = [
  {
    route: "POST /blocks",
    auth: "user",
    good: block,
    answer: () => ok,
    wrong: { blocked_user_id: noIds },
    required: ["blocked_user_id"],
    movable: ["blocked_user_id"],
    refusals: [
      blockSelf,
      {
        status: 404,
        detail: "User not found",
        why: "a user that nobody is",
        ask: ({ ada }) => ({ by: ada, query: { blocked_user_id: unknownId } }),
      },
    ],
    again: "the same",
    creates: (asked, { eve }) => ({ ...asked, query: { blocked_user_id: eve.id } }),
  },
  {
    route: "DELETE /blocks",
    auth: "user",
    good: async (world) => {
      const asked = await block(world);
      if (asked.by)
        await act(world, asked.by, `POST /blocks?blocked_user_id=${asked.query?.["blocked_user_id"]}`);
      return asked;
    },
    cases: [{ why: "a block that is not there", ask: block, answer: () => ok }],
    answer: () => ok,
    wrong: { blocked_user_id: noIds },
    required: ["blocked_user_id"],
    movable: ["blocked_user_id"],
    again: "the same",
  },
  {
    route: "GET /blocks",
    auth: "user",
    good: async (world) => {
      const { by } = await pair(world);
      await act(world, by, `POST /blocks?blocked_user_id=${world.eve.id}`);
      return { by };
    },
    answer: ({ eve }) => [{ blocked_user_id: eve.id, created_at: aTime }],
    again: "the same",
  },
];

/** Asks for somebody's presence after a ping of theirs, and after a block if there is to be one. */
async function presence(world: World, blocker?: "asker" | "asked"): Promise<Asked> {
  const { by, other } = await pair(world);
  await act(world, other, "POST /presence/ping");
  if (blocker === "asker") await act(world, by, `POST /blocks?blocked_user_id=${other.id}`);
  if (blocker === "asked") await act(world, other, `POST /blocks?blocked_user_id=${by.id}`);
  return { by, params: { user_id: other.id } };
}

const hidden = (_: World, asked: Asked): unknown => ({
  user_id: asked.params?.["user_id"],
  online: false,
  last_seen: null,
});

const presenceRoutes: PageRoute[] = [
  {
    route: "GET /presence/{user_id}",
    auth: "user",
    good: (world) => presence(world),
    answer: (_, asked) => ({ user_id: asked.params?.["user_id"], online: false, last_seen: aTime }),
    cases: [
      {
        why: "an unknown user",
        ask: ({ ada }) => ({ by: ada, params: { user_id: unknownId } }),
        answer: hidden,
      },
      { why: "somebody whom I block", ask: (world) => presence(world, "asker"), answer: hidden },
      { why: "somebody who blocks me", ask: (world) => presence(world, "asked"), answer: hidden },
    ],
    wrong: { user_id: noIds },
    again: "the same",
  },
  {
    route: "POST /presence/ping",
    auth: "user",
    good: ({ eve }) => ({ by: eve }),
    answer: ({ eve }) => ({ user_id: eve.id, online: false, last_seen: aTime }),
    again: "another",
  },
];

export const peopleRoutes: PageRoute[] = [...contactsRoutes, ...blocksRoutes, ...presenceRoutes];
