import * as attachments from "../domains/attachments.ts";
import type { Procedures } from "../procedure.ts";

export const attachmentsProcedures = {
  add: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary: "Attach a small ciphertext, as base64, to a message of mine",
    ...attachments.add,
    creates: true,
    rest: { method: "POST", path: "/messages/{message_id}/attachments" },
    errors: [
      "MESSAGE_NOT_FOUND",
      "NOT_MESSAGE_SENDER",
      "RECIPIENT_BLOCKED",
      "YOU_ARE_BLOCKED",
      "GROUP_ARCHIVED",
      "ATTACHMENT_LIMIT_REACHED",
      "STORAGE_QUOTA_EXCEEDED",
    ],
  },
  list: {
    kind: "query",
    access: "user",
    limit: "general",
    summary: "A message's attachments, oldest first",
    ...attachments.list,
    rest: { method: "GET", path: "/messages/{message_id}/attachments" },
    errors: ["MESSAGE_NOT_FOUND"],
  },
  upload: {
    kind: "upload",
    access: "user",
    limit: "general",
    summary: "Attach the request's body to a message of mine",
    ...attachments.upload,
    creates: true,
    rest: {
      method: "POST",
      path: "/messages/{message_id}/attachments/upload",
      headers: { content_type: "X-Content-Type", filename: "X-Filename" },
    },
    errors: [
      "MESSAGE_NOT_FOUND",
      "NOT_MESSAGE_SENDER",
      "RECIPIENT_BLOCKED",
      "YOU_ARE_BLOCKED",
      "GROUP_ARCHIVED",
      "ATTACHMENT_LIMIT_REACHED",
      "STORAGE_QUOTA_EXCEEDED",
    ],
  },
  attach: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary:
      "Attach a complete upload of mine to a message of mine; the upload's id becomes the attachment's",
    ...attachments.attach,
    creates: true,
    rest: { method: "POST", path: "/messages/{message_id}/attachments/uploaded" },
    errors: [
      "MESSAGE_NOT_FOUND",
      "NOT_MESSAGE_SENDER",
      "RECIPIENT_BLOCKED",
      "YOU_ARE_BLOCKED",
      "GROUP_ARCHIVED",
      "ATTACHMENT_LIMIT_REACHED",
      "UPLOAD_NOT_FOUND",
      "UPLOAD_INCOMPLETE",
      "UPLOAD_IN_USE",
    ],
  },
  download: {
    kind: "download",
    access: "user",
    limit: "general",
    summary: "An attachment's bytes",
    ...attachments.download,
    rest: {
      method: "GET",
      path: "/messages/attachments/blob/{attachment_id}",
      // As its sender called it.
      bytes: "*/*",
    },
    errors: ["ATTACHMENT_NOT_FOUND"],
  },
} as const satisfies Procedures;
