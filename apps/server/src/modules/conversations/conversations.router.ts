import type { Handlers } from "../../pipeline/call.ts";
import { openDirect } from "./conversations.service.ts";

export const conversationsRouter: Handlers<"conversations"> = {
  open: (call, { peerUserId }) => openDirect(call, peerUserId),
};
