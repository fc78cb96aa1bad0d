import type { ConversationId } from "@sotto/schema";
import * as z from "zod/mini";
import { directWrites, isOfOthers } from "../messages/participants.ts";
import type { Session } from "../session.ts";
import { Draft } from "../storage/draft.ts";
import { defineRecord } from "../storage/records.ts";
import { newConversation } from "./identify-conversation.ts";
import { takeReadElsewhere } from "./mark-read.ts";
import { type StoredConversation, conversationRecord, messageRecord } from "./records.ts";

/** The server was asked once for the conversations from before this device. */
const loadedRecord = defineRecord("conversations-loaded", z.literal(1));

interface Known extends Pick<StoredConversation, "peerUserId" | "name" | "lastMessageAt"> {
  id: ConversationId;
}

/**
 * Makes the conversations from before this device known to it: those that the server names, which are the 100 last active
 * ones, groups among them, that this user is in now.
 */
export async function loadConversations(session: Session, signal?: AbortSignal): Promise<void> {
  const { api, me, store, turns } = session;
  if (await loadedRecord.get(store)) return;
  const { conversations } = await api.call(
    (server, options) => server.messages.conversationsSummary.query({}, options),
    signal,
  );
  await turns.run(async () => {
    const draft = new Draft(store);
    for (const { id, userA, userB, isGroup, name, lastMessageAt } of conversations) {
      const peerUserId = isGroup ? null : userA === me.userId ? userB : userA;
      await addConversation(draft, { id, peerUserId, name, lastMessageAt });
    }
    await store.commit([...draft.writes, loadedRecord.put([], 1)]);
  });
}

/**
 * What is known here of a conversation stays, but for a name that was not; and with whom it is. False: it is known as
 * another user's or a group's, and what is said in it must not be shown as the given one's.
 */
export async function addConversation(draft: Draft, known: Known): Promise<boolean> {
  const { id, peerUserId, name, lastMessageAt } = known;
  const present = await conversationRecord.get(draft, id);
  if (await isOfOthers(draft, id, peerUserId)) return false;
  if (present) {
    if (present.name === null && name !== null) draft.put(conversationRecord.put([id], { ...present, name }));
    return true;
  }
  const readThrough = await takeReadElsewhere(draft, id);
  // Lines of it may be there already, of a backup that named no conversations.
  const [newest] = await messageRecord.list(draft, [id], { isReversed: true, limit: 1 });
  const conversation = newConversation({ peerUserId, name }, null);
  const lastSeq = Number(newest?.path[1] ?? 0);
  draft.put(conversationRecord.put([id], { ...conversation, lastSeq, lastMessageAt, readThrough }));
  if (peerUserId !== null) draft.put(...(await directWrites(draft, peerUserId, id)));
  return true;
}
