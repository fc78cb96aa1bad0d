import * as uploads from "../domains/uploads.ts";
import type { Procedures } from "../procedure.ts";

/** Bytes that come in several requests, before the message that they belong to. */
export const uploadsProcedures = {
  create: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary: "Begin an upload that can be resumed, or ask for one by its id",
    ...uploads.create,
    creates: true,
    rest: { method: "POST", path: "/uploads" },
    errors: ["UPLOAD_IN_USE", "STORAGE_QUOTA_EXCEEDED"],
  },
  get: {
    kind: "query",
    access: "user",
    limit: "general",
    summary: "How far an upload of mine has come",
    ...uploads.get,
    rest: { method: "GET", path: "/uploads/{upload_id}" },
    errors: ["UPLOAD_NOT_FOUND"],
  },
  append: {
    kind: "upload",
    access: "user",
    limit: "sync",
    summary: "Go on with an upload of mine: the request's body is what follows the offset",
    ...uploads.append,
    rest: { method: "PUT", path: "/uploads/{upload_id}", query: ["offset"] },
    errors: ["UPLOAD_NOT_FOUND", "UPLOAD_OFFSET_MISMATCH", "UPLOAD_DIGEST_MISMATCH"],
  },
  cancel: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary: "Give an upload of mine up; nothing happens to one that is attached",
    ...uploads.cancel,
    rest: { method: "DELETE", path: "/uploads/{upload_id}" },
    errors: [],
  },
} as const satisfies Procedures;
