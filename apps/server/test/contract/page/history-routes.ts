import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { aTime, aUuidV7 } from "../shapes.ts";
import { messageOut, strangers } from "./messages-routes.ts";
import { aList, noIds, ok, type Asked, type PageRoute, withBody } from "./page.ts";
import { newGroup, newGroupMessage } from "./group-world.ts";
import { act, newMessage, type World } from "./world.ts";

const ofConversation = (world: World): Asked => ({
  by: world.ada,
  query: { conversation_id: world.conversation },
});

const onMessage = async (world: World): Promise<Asked> => ({
  by: world.ada,
  params: { id: await newMessage(world) },
});

const reacting = async (world: World): Promise<Asked> => ({
  ...(await onMessage(world)),
  body: { emoji: "👍" },
});

const reacted = async (world: World): Promise<Asked> => {
  const asked = await onMessage(world);
  await act(world, world.ada, `POST /messages/${asked.params?.["id"]}/reactions`, { emoji: "👍" });
  return asked;
};

const reactionOut = ({ ada }: World, { params }: Asked): unknown => ({
  id: aUuidV7,
  message_id: params?.["id"],
  user_id: ada.id,
  emoji: "👍",
  created_at: aTime,
});

const withdrawing = async (world: World): Promise<Asked> => ({
  ...(await reacted(world)),
  query: { emoji: "👍" },
});

const reactionsRoutes: PageRoute[] = [
  {
    route: "POST /messages/{id}/reactions",
    auth: "user",
    good: reacting,
    answer: reactionOut,
    cases: [
      {
        why: "a family",
        ask: async (world) => ({ ...(await onMessage(world)), body: { emoji: "👩‍👩‍👧‍👦" } }),
        answer: () => expect.objectContaining({ emoji: "👩‍👩‍👧‍👦" }) as unknown,
      },
    ],
    wrong: { id: noIds, emoji: ["", "x".repeat(17), 5, null, true, [], {}] },
    required: ["emoji"],
    refusals: strangers("Message not found", reacting),
    again: "the same",
    creates: withBody({ emoji: "another" }),
  },
  {
    route: "GET /messages/{id}/reactions",
    auth: "user",
    good: reacted,
    answer: (world, asked) => ({ reactions: [reactionOut(world, asked)] }),
    wrong: { id: noIds },
    refusals: strangers("Message not found", onMessage),
    again: "the same",
  },
  {
    route: "DELETE /messages/{id}/reactions",
    auth: "user",
    good: withdrawing,
    answer: () => ok,
    wrong: { id: noIds, emoji: ["", "x".repeat(17)] },
    required: ["emoji"],
    movable: ["emoji"],
    refusals: strangers("Message not found", withdrawing),
    again: "the same",
  },
];

const searching = (world: World): Asked => ({
  by: world.ada,
  query: {
    conversation_id: world.conversation,
    sender_device_id: "phone",
    has_attachments: "false",
    since: "1999-12-31T23:59:59Z",
    until: "2999-01-01",
    limit: "1",
  },
});

const exporting = ofConversation;

const importing = (world: World): Asked => ({
  ...ofConversation(world),
  body: {
    messages: [{ ciphertext: randomUUID(), sent_at: "2020-01-01T00:00:00Z", sender_device_id: "old" }],
  },
});

const noTimes = ["x", "2026-02-30", "yesterday"];

const archiveRoutes: PageRoute[] = [
  {
    route: "GET /messages/search",
    auth: "user",
    good: searching,
    answer: () => ({ messages: [messageOut({})] }),
    cases: [
      {
        why: "messages with attachments, of which there are none",
        ask: (world) => ({
          ...ofConversation(world),
          query: { conversation_id: world.conversation, has_attachments: "true" },
        }),
        answer: () => ({ messages: [] }),
      },
      {
        why: "messages of the future",
        ask: (world) => ({
          ...ofConversation(world),
          query: { conversation_id: world.conversation, since: "2999-01-01" },
        }),
        answer: () => ({ messages: [] }),
      },
    ],
    wrong: {
      conversation_id: noIds,
      sender_device_id: ["", "x".repeat(65)],
      has_attachments: ["x", "2", ""],
      since: noTimes,
      until: noTimes,
      limit: ["0", "201", "-1", "1.5", "x", ""],
    },
    required: ["conversation_id"],
    refusals: strangers("Conversation not found", ofConversation),
    again: "the same",
  },
  {
    route: "POST /messages/export",
    auth: "user",
    good: exporting,
    answer: ({ conversation }) => ({
      version: 1,
      conversation_id: conversation,
      is_group: false,
      messages: aList,
      attachments: aList,
    }),
    wrong: { conversation_id: noIds },
    required: ["conversation_id"],
    movable: ["conversation_id"],
    refusals: strangers("Conversation not found", exporting),
    again: "the same",
  },
  {
    route: "POST /messages/import",
    auth: "user",
    good: importing,
    answer: () => ({ detail: "ok", created: [aUuidV7] }),
    cases: [
      {
        why: "nothing",
        ask: (world) => ({ ...ofConversation(world), body: { messages: [] } }),
        answer: () => ({ detail: "ok", created: [] }),
      },
      {
        why: "one's own export, which adds nothing",
        ask: async (world) => ({
          ...ofConversation(world),
          body: await act(world, world.ada, `POST /messages/export?conversation_id=${world.conversation}`),
        }),
        answer: () => ({ detail: "ok", created: aList }),
      },
    ],
    wrong: {
      conversation_id: noIds,
      messages: [
        5,
        true,
        null,
        "a",
        {},
        [5],
        [null],
        [{}],
        [{ ciphertext: "" }],
        [{ ciphertext: 5 }],
        [{ ciphertext: "c", sent_at: "2026-02-30" }],
        [{ ciphertext: "c", sent_at: 5 }],
        [{ ciphertext: "c", sent_at: "2999-01-01T00:00:00Z" }],
        [{ ciphertext: "c", id: "no id" }],
        [{ ciphertext: "c", sender_device_id: "x".repeat(65) }],
      ],
    },
    required: ["conversation_id", "messages"],
    refusals: strangers("Conversation not found", importing),
    again: "another",
    creates: withBody({ version: 1 }),
  },
];

const deleting = async (world: World, who: "ada" | "bob" | "member" = "ada"): Promise<Asked> => {
  const group = await newGroup(world);
  const id = await newGroupMessage(world, group);
  return { by: who === "member" ? group.member : world[who], params: { id } };
};

const deletionRoute: PageRoute = {
  route: "DELETE /messages/{id}",
  auth: "user",
  good: (world) => deleting(world),
  answer: () => ok,
  cases: [{ why: "an admin", ask: (world) => deleting(world, "bob"), answer: () => ok }],
  wrong: { id: noIds },
  refusals: [
    { status: 400, detail: "Not a group message", why: "a message of two", ask: onMessage },
    { status: 403, why: "a mere member", ask: (world) => deleting(world, "member") },
    ...strangers("Message not found", (world) => deleting(world)),
  ],
  again: "the same",
};

export const historyRoutes: PageRoute[] = [...reactionsRoutes, ...archiveRoutes, deletionRoute];
