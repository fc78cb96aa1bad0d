import type { Handlers } from "../../pipeline/call.ts";
import { addBlock, getBlocks, removeBlock } from "./blocks.service.ts";

export const blocksRouter: Handlers<"blocks"> = {
  add: (call, { blockedUserId }) => addBlock(call, blockedUserId),
  remove: (call, { blockedUserId }) => removeBlock(call, blockedUserId),
  list: (call) => getBlocks(call),
};
