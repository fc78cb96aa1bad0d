import type { ConversationId, UserId } from "@sotto/schema";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { findLastSeen } from "../accounts/users.service.ts";
import { isBlockBetween } from "../blocks/blocks.service.ts";
import { listMembersInReach } from "../conversations/conversations.service.ts";

interface Typing {
  peerUserId?: UserId | null | undefined;
  conversationId?: ConversationId | null | undefined;
  isTyping: boolean;
}

/** Stores nothing. The answer does not tell whether a block kept the signal from anybody. */
export async function tellTyping(call: Call, { peerUserId, conversationId, isTyping }: Typing) {
  const { app, caller } = call;
  const audience = conversationId
    ? await findMembers(call, conversationId)
    : peerUserId
      ? await findPeer(call, peerUserId)
      : [];
  if (audience.length > 0) {
    const signal = { type: "typing" as const, from: caller.userId, isTyping };
    app.bus.publish({
      kind: "signal",
      audience,
      signal: { ...signal, conversationId: conversationId ?? null },
    });
  }
  return { detail: "ok" as const };
}

async function findPeer({ app, caller }: Call, peerUserId: UserId): Promise<UserId[]> {
  if (!(await findLastSeen(app.db, peerUserId))) throw new AppError("USER_NOT_FOUND");
  if (peerUserId === caller.userId) return [];
  return (await isBlockBetween(app.db, caller.userId, peerUserId)) ? [] : [peerUserId];
}

async function findMembers({ app, caller }: Call, conversationId: ConversationId): Promise<UserId[]> {
  const members = await listMembersInReach(app.db, conversationId, caller.userId);
  if (!members) throw new AppError("CONVERSATION_NOT_FOUND");
  return members;
}
