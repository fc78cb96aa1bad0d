import type { Handlers } from "../../pipeline/call.ts";
import { exportConversation } from "./exports.service.ts";
import { importMessages } from "./imports.service.ts";

export const archiveRouter: Handlers<"archive"> = {
  export: (call, { conversationId }) => exportConversation(call, conversationId),
  import: importMessages,
};
