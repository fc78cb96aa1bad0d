import type { Handlers } from "../../pipeline/call.ts";
import {
  addAttachment,
  attachUploaded,
  downloadAttachment,
  getAttachments,
  uploadAttachment,
} from "./attachments.service.ts";

export const attachmentsRouter: Handlers<"attachments"> = {
  add: addAttachment,
  list: (call, { messageId }) => getAttachments(call, messageId),
  upload: uploadAttachment,
  attach: attachUploaded,
  download: (call, { attachmentId }) => downloadAttachment(call, attachmentId),
};
