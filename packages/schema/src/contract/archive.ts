import * as archive from "../domains/archive.ts";
import type { Procedures } from "../procedure.ts";

export const archiveProcedures = {
  export: {
    kind: "download",
    access: "user",
    limit: "archive",
    summary: "All that I may see of a conversation, streamed, oldest first",
    ...archive.exportConversation,
    rest: { method: "POST", path: "/messages/export", query: ["conversation_id"] },
    errors: ["CONVERSATION_NOT_FOUND"],
  },
  import: {
    kind: "mutation",
    access: "user",
    limit: "archive",
    summary: "Import messages as history that only the importer sees; again: adds nothing",
    ...archive.importMessages,
    creates: true,
    rest: {
      method: "POST",
      path: "/messages/import",
      query: ["conversation_id"],
      maxBodyBytes: archive.maxImportBytes,
    },
    errors: ["CONVERSATION_NOT_FOUND", "IMPORT_LIMIT_REACHED"],
  },
} as const satisfies Procedures;
