import * as archive from "../domains/archive.ts";
import type { Procedures } from "../procedure.ts";

export const archiveProcedures = {
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
  },
} as const satisfies Procedures;
