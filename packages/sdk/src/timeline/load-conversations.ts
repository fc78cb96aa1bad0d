import * as z from "zod/mini";
import { directRecord } from "../messages/participants.ts";
import type { Session } from "../session.ts";
import { Draft } from "../storage/draft.ts";
import { defineRecord } from "../storage/records.ts";
import { newConversation } from "./identify-conversation.ts";
import { takeReadElsewhere } from "./mark-read.ts";
import { conversationRecord } from "./records.ts";

/** The server was asked once for the conversations from before this device. */
const loadedRecord = defineRecord("conversations-loaded", z.literal(1));

/** Makes the conversations from before this device known to it: the 100 last active ones, and every group. */
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
      if (await conversationRecord.get(draft, id)) continue;
      const peerUserId = isGroup ? null : userA === me.userId ? userB : userA;
      const conversation = newConversation({ peerUserId, name }, null);
      const readThrough = await takeReadElsewhere(draft, id);
      draft.put(conversationRecord.put([id], { ...conversation, lastMessageAt, readThrough }));
      if (peerUserId !== null) draft.put(directRecord.put([peerUserId], id));
    }
    await store.commit([...draft.writes, loadedRecord.put([], 1)]);
  });
}
