import { type ConversationId, type UserId, conversationId, userId } from "@sotto/schema";
import * as z from "zod/mini";

/** Where a message goes. A direct conversation is named by its peer: before the first message it may have no id. */
export const destination = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("direct"), peerUserId: userId }),
  z.object({ kind: z.literal("group"), conversationId }),
]);
export type Destination = z.output<typeof destination>;

/** Two parts of a store's key. */
export type LaneKey = [kind: "direct" | "group", id: UserId | ConversationId];

/** Messages of one lane are sent one after the other. */
export function laneKey(to: Destination): LaneKey {
  return to.kind === "direct" ? ["direct", to.peerUserId] : ["group", to.conversationId];
}

/** Throws `ZodError` for what is no key. */
export function destinationOf([kind, id]: readonly (string | undefined)[]): Destination {
  return destination.parse({ kind, peerUserId: id, conversationId: id });
}
