import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import { aTime, aUuidV7 } from "../shapes.ts";
import { strangers } from "./messages-routes.ts";
import { aString, noIds, type Asked, type PageRoute, withBody } from "./page.ts";
import { act, newMessage, type World } from "./world.ts";

const content = "sealed bytes";
const base64 = Buffer.from(content).toString("base64");

const attaching = async (world: World): Promise<Asked> => ({
  by: world.bob,
  params: { id: await newMessage(world) },
  body: { content_type: "image/png", filename: "a.png", ciphertext_b64: base64 },
});

const attachmentOut = (_: World, { params }: Asked): Record<string, unknown> => ({
  id: aUuidV7,
  message_id: params?.["id"],
  content_type: "image/png",
  filename: "a.png",
  size_bytes: content.length,
  ciphertext_b64: base64,
  created_at: aTime,
  download_url: expect.toSatisfy((value) => value === null || typeof value === "string") as unknown,
});

const attached = async (world: World): Promise<Asked> => {
  const { by, params, body } = await attaching(world);
  await act(world, world.bob, `POST /messages/${params?.["id"]}/attachments`, body as object);
  return { by: by ?? world.bob, params: params ?? {} };
};

const uploading = async (world: World): Promise<Asked> => ({
  by: world.bob,
  params: { id: await newMessage(world) },
  body: randomBytes(1000),
  headers: { "x-content-type": "image/png", "x-filename": "a.png" },
});

/** The blob of a new attachment, read by who received it. */
const downloading = async (world: World): Promise<Asked> => {
  const { params, body } = await attaching(world);
  const made = await act(world, world.bob, `POST /messages/${params?.["id"]}/attachments`, body as object);
  return { by: world.ada, params: { attachment_id: String(made["id"]) } };
};

const nowhere = {
  status: 404,
  why: "a stranger",
  ask: async (world: World) => ({ ...(await downloading(world)), by: world.eve }),
};

export const attachmentsRoutes: PageRoute[] = [
  {
    route: "POST /messages/{id}/attachments",
    auth: "user",
    good: attaching,
    answer: attachmentOut,
    wrong: {
      id: noIds,
      content_type: [5, true, [], {}],
      filename: [5, true, [], {}],
      ciphertext_b64: [5, true, null, [], {}, "a", "ab=c", "a b c d", "====", "é", "YWJj\u0000"],
    },
    required: ["ciphertext_b64"],
    refusals: strangers("Message not found", attaching),
    again: "another",
    creates: withBody({ filename: "another" }),
  },
  {
    route: "GET /messages/{id}/attachments",
    auth: "user",
    good: attached,
    answer: (world, asked) => ({ attachments: [attachmentOut(world, asked)] }),
    wrong: { id: noIds },
    refusals: strangers("Message not found", attached),
    again: "the same",
  },
  {
    route: "POST /messages/{id}/attachments/upload",
    auth: "user",
    good: uploading,
    answer: () => ({ id: aUuidV7, download_url: aString }),
    wrong: { id: noIds },
    refusals: strangers("Message not found", uploading),
    again: "another",
    creates: (asked) => ({ ...asked, body: randomBytes(1000) }),
  },
  {
    route: "GET /messages/attachments/blob/{attachment_id}",
    auth: "user",
    good: downloading,
    answer: () => ({ bytes: base64 }),
    wrong: { attachment_id: noIds },
    refusals: [
      nowhere,
      {
        status: 404,
        why: "an unknown id",
        ask: async (world) => ({ by: world.ada, params: { attachment_id: await newMessage(world) } }),
      },
    ],
    again: "the same",
  },
];
