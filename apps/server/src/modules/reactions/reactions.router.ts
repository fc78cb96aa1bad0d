import type { Handlers } from "../../pipeline/call.ts";
import { addReaction, getReactions, removeReaction } from "./reactions.service.ts";

export const reactionsRouter: Handlers<"reactions"> = {
  add: addReaction,
  list: getReactions,
  remove: removeReaction,
};
