import { expect } from "vitest";
import { newPerson } from "../people.ts";
import { aTime, aUuidV7 } from "../shapes.ts";
import {
  aList,
  aString,
  noIds,
  ok,
  unknownId,
  type Asked,
  type PageRoute,
  type Refusal,
  withBody,
} from "./page.ts";
import { act, newMessage, type World } from "./world.ts";

const noTextFields = [5, true, null, [], {}, ""];
const tooLarge = "x".repeat(262_145);

export const messageOut = (message: Record<string, unknown>): unknown => ({
  id: aUuidV7,
  conversation_id: aUuidV7,
  sender_user_id: aString,
  sender_device_id: "phone",
  recipient_user_id: aString,
  ciphertext: aString,
  wrap: null,
  delivered: false,
  read: false,
  sent_at: aTime,
  ...message,
});

/** A stranger is told the same as one who asks for what is not there. */
export function strangers(detail: string, ask: (world: World) => Asked | Promise<Asked>): Refusal[] {
  return [
    {
      status: 404,
      detail,
      why: "a stranger",
      ask: async (world) => ({ ...(await ask(world)), by: world.eve }),
    },
    {
      status: 404,
      detail,
      why: "an unknown id",
      ask: async (world) => {
        const { params, query, ...asked } = await ask(world);
        if (params) return { ...asked, ...(query ? { query } : {}), params: { ...params, id: unknownId } };
        return { ...asked, query: { ...query, conversation_id: unknownId } };
      },
    },
  ];
}

function sending({ ada, bob }: World, fields: object = {}): Asked {
  return {
    by: ada,
    body: { recipient_user_id: bob.id, sender_device_id: "phone", ciphertext: "c", ...fields },
  };
}

async function blocked(world: World, blocker: "sender" | "recipient"): Promise<Asked> {
  const [by, to] = [await newPerson(world.url), await newPerson(world.url)];
  const [who, whom] = blocker === "sender" ? [by, to] : [to, by];
  await act(world, who, `POST /blocks?blocked_user_id=${whom.id}`);
  return { by, body: { recipient_user_id: to.id, sender_device_id: "phone", ciphertext: "c" } };
}

const sendRoutes: PageRoute[] = [
  {
    route: "POST /messages/send",
    auth: "user",
    good: (world) => sending(world),
    answer: ({ ada, bob, conversation }) =>
      messageOut({
        conversation_id: conversation,
        sender_user_id: ada.id,
        recipient_user_id: bob.id,
        ciphertext: "c",
      }),
    cases: [
      {
        why: "a label that names no device",
        ask: (world) => sending(world, { sender_device_id: "any label" }),
        answer: () => messageOut({ sender_device_id: "any label" }),
      },
    ],
    wrong: {
      recipient_user_id: [5, true, null, [], {}],
      sender_device_id: [...noTextFields, "x".repeat(65)],
      ciphertext: noTextFields,
      client_message_id: [5, true, [], {}, "", "x".repeat(65)],
      recipients: [5, true, "a", {}, [5], [{}]],
    },
    required: ["recipient_user_id", "sender_device_id", "ciphertext"],
    refusals: [
      {
        status: 400,
        detail: "Cannot send to self",
        why: "to oneself",
        ask: (world) => sending(world, { recipient_user_id: world.ada.id }),
      },
      ...["", "abc", "+4915112345678"].map((id) => ({
        status: 400,
        detail: "Invalid recipient id",
        why: `to ${JSON.stringify(id)}`,
        ask: (world: World) => sending(world, { recipient_user_id: id }),
      })),
      {
        status: 404,
        detail: "Recipient not found",
        why: "to nobody",
        ask: (world) => sending(world, { recipient_user_id: unknownId }),
      },
      {
        status: 403,
        detail: "Invalid device",
        why: "as another device of one's own",
        ask: async (world) => {
          await newPerson(world.url, "web", world.ada.phone);
          return sending(world, { sender_device_id: "web" });
        },
      },
      { status: 413, why: "too large", ask: (world) => sending(world, { ciphertext: tooLarge }) },
      {
        status: 403,
        detail: "Recipient blocked",
        why: "to whom I block",
        ask: (world) => blocked(world, "sender"),
      },
      {
        status: 403,
        detail: "You are blocked",
        why: "to who blocks me",
        ask: (world) => blocked(world, "recipient"),
      },
      {
        status: 409,
        detail: {
          code: "device_list_stale",
          missing: aList,
          extra: [],
          outdated: [],
        },
        why: "sealed for nobody",
        ask: (world) => sending(world, { recipients: [] }),
      },
    ],
    again: "another",
    creates: withBody({ ciphertext: "b3RoZXI=" }),
  },
];

const received = async (world: World): Promise<Asked> => ({
  by: world.ada,
  params: { id: await newMessage(world) },
});

const ackOf = (which: "delivered" | "read"): PageRoute[] => {
  const withDevice = async (world: World): Promise<Asked> => ({
    ...(await received(world)),
    query: { device_id: "phone" },
  });
  return [
    {
      route: `POST /messages/{id}/ack_${which}`,
      auth: "user",
      good: received,
      answer: () => ok,
      wrong: { id: noIds },
      refusals: strangers("Message not found", received),
      again: "the same",
    },
    {
      route: `POST /messages/{id}/ack_${which}_device`,
      auth: "user",
      good: withDevice,
      answer: () => ok,
      wrong: { id: noIds, device_id: ["", "x".repeat(65)] },
      required: ["device_id"],
      movable: ["device_id"],
      refusals: [
        ...strangers("Message not found", withDevice),
        {
          status: 403,
          detail: "Invalid device",
          why: "a device that is not mine",
          ask: async (world) => ({ ...(await received(world)), query: { device_id: "of nobody" } }),
        },
      ],
      again: "the same",
    },
  ];
};

const conversationOut = ({ ada, bob, conversation }: World): Record<string, unknown> => {
  const [user_a, user_b] = [ada.id, bob.id].toSorted();
  return { id: conversation, user_a, user_b, last_message_at: aTime, is_group: false, name: null };
};

const ofConversation = (world: World): Asked => ({
  by: world.ada,
  query: { conversation_id: world.conversation },
});

const noLimits = ["0", "201", "-1", "1.5", "x", ""];

const readRoutes: PageRoute[] = [
  {
    route: "GET /messages/inbox",
    auth: "user",
    good: async (world) => {
      const by = await newPerson(world.url);
      await act(world, world.bob, "POST /messages/send", {
        recipient_user_id: by.id,
        sender_device_id: "phone",
        ciphertext: "for the inbox",
      });
      return { by, query: { limit: "1", ack_delivered: "false" } };
    },
    answer: ({ bob }, { by }) => ({
      messages: [
        messageOut({ sender_user_id: bob.id, recipient_user_id: by?.id, ciphertext: "for the inbox" }),
      ],
    }),
    wrong: { limit: noLimits, ack_delivered: ["x", "2", ""] },
    again: "the same",
  },
  {
    route: "GET /messages/history",
    auth: "user",
    good: (world) => ({
      by: world.ada,
      query: { conversation_id: world.conversation, before: "2999-01-01", limit: "200" },
    }),
    answer: () => ({ messages: aList }),
    wrong: { conversation_id: noIds, before: ["x", "2026-02-30", "yesterday"], limit: noLimits },
    required: ["conversation_id"],
    refusals: strangers("Conversation not found", ofConversation),
    again: "the same",
  },
  {
    route: "GET /messages/{id}/receipts",
    auth: "user",
    good: async (world) => ({ by: world.bob, params: { id: await newMessage(world) } }),
    answer: ({ ada }) =>
      expect.arrayContaining([
        {
          device_id: "phone",
          user_id: ada.id,
          delivered: false,
          read: false,
          delivered_at: null,
          read_at: null,
        },
      ]),
    wrong: { id: noIds },
    refusals: strangers("Message not found", async (world) => ({
      by: world.bob,
      params: { id: await newMessage(world) },
    })),
    again: "the same",
  },
  {
    route: "GET /messages/conversations",
    auth: "user",
    good: ({ ada }) => ({ by: ada }),
    answer: (world) => ({ conversations: [conversationOut(world)] }),
    again: "the same",
  },
  {
    route: "GET /messages/conversations_summary",
    auth: "user",
    good: ({ bob }) => ({ by: bob }),
    answer: (world) => ({
      conversations: expect.arrayContaining([
        { ...conversationOut(world), unread_count: expect.any(Number) as unknown },
      ]) as unknown,
    }),
    again: "the same",
  },
];

const typing = (world: World): Asked => ({
  by: world.ada,
  body: { conversation_id: world.conversation, is_typing: false },
});

const typingRoute: PageRoute = {
  route: "POST /messages/typing",
  auth: "user",
  good: typing,
  answer: () => ok,
  cases: [
    {
      why: "to a peer, true by default",
      ask: ({ ada, bob }) => ({ by: ada, body: { peer_user_id: bob.id } }),
      answer: () => ok,
    },
  ],
  wrong: {
    peer_user_id: ["abc", "", 5, true, [], {}],
    conversation_id: ["abc", "", 5, true, [], {}],
    is_typing: ["x", 5, [], {}],
  },
  refusals: [
    {
      status: 404,
      why: "into a conversation of others",
      ask: (world) => ({ ...typing(world), by: world.eve }),
    },
  ],
  again: "the same",
};

export const messagesRoutes: PageRoute[] = [
  ...sendRoutes,
  ...ackOf("delivered"),
  ...ackOf("read"),
  ...readRoutes,
  typingRoute,
];
