import { type ConversationId, type Group, type UserId, conversationId } from "@sotto/schema";
import * as z from "zod/mini";
import { SottoError } from "../errors.ts";
import type { Session } from "../session.ts";
import { type Reader, defineRecord } from "../storage/records.ts";
import type { StoreWrite } from "../storage/store.ts";
import { conversationRecord } from "../timeline/records.ts";
import type { Destination } from "./destination.ts";
import type { Sealed } from "./sent-message.ts";

/** The direct conversation with a user. */
export const directRecord = defineRecord("direct", conversationId);
/** A group as the server last gave it; dropped when its log says that it changed. */
const groupRecord = defineRecord("group", z.custom<Group>());

export interface Participants {
  conversationId: ConversationId;
  /** This user too. */
  userIds: UserId[];
}

/** Whose devices a message is for. A direct conversation is made on the server when there is none. */
export async function findParticipants(
  session: Session,
  to: Destination,
  signal?: AbortSignal,
): Promise<Participants> {
  if (to.kind === "group") {
    const { id, members } = await findGroup(session, to.conversationId, signal);
    return { conversationId: id, userIds: members.map(({ userId }) => userId) };
  }
  const id = await findConversation(session, to.peerUserId, signal);
  return { conversationId: id, userIds: [to.peerUserId, session.me.userId] };
}

/** The devices, and with them the members, that a message was sealed for are not the present ones. */
export async function forgetParticipants(
  { store, directory, me }: Session,
  to: Destination,
  { recipients }: Sealed,
): Promise<void> {
  for (const { userId } of recipients) directory.forget(userId);
  directory.forget(me.userId);
  if (to.kind === "direct") directory.forget(to.peerUserId);
  else await store.commit([forgottenGroup(to.conversationId)]);
}

/** To be committed with the entry that changed the group. */
export function forgottenGroup(id: ConversationId): StoreWrite {
  return groupRecord.remove(id);
}

/** The direct conversation with a user, made on the server when there is none. */
export async function findConversation(
  session: Session,
  peer: UserId,
  signal?: AbortSignal,
): Promise<ConversationId> {
  const known = await directRecord.get(session.store, peer);
  if (known !== undefined) return known;
  const { id, userA, userB, isGroup } = await session.api.call(
    (server, options) => server.conversations.open.mutate({ peerUserId: peer }, options),
    signal,
  );
  const members = new Set([userA, userB]);
  const isBad = isGroup || !members.has(peer) || !members.has(session.me.userId);
  await session.turns.run(async () => {
    if (isBad || (await isOfOthers(session.store, id, peer))) throw new SottoError("BAD_ANSWER");
    await session.store.commit([directRecord.put([peer], id)]);
  });
  return id;
}

/** To be committed with a conversation that is made. What is known stays: which one is a user's is the server's word. */
export async function directWrites(store: Reader, peer: UserId, id: ConversationId): Promise<StoreWrite[]> {
  return (await directRecord.get(store, peer)) === undefined ? [directRecord.put([peer], id)] : [];
}

/** It is known as a group, or as the conversation with another user: what is for the peer must not go there. */
export async function isOfOthers(store: Reader, id: ConversationId, peer: UserId | null): Promise<boolean> {
  const known = await knownPeers(store)(id);
  return known !== undefined && known !== peer;
}

/** With whom a conversation is, as far as it is known here; null: it is a group. */
export type FindPeer = (id: ConversationId) => Promise<UserId | null | undefined>;

/** For questions about one state of the store: what is read for one serves the next. */
export function knownPeers(store: Reader): FindPeer {
  let directs: Map<ConversationId, UserId> | undefined;
  return async (id) => {
    const known = await conversationRecord.get(store, id);
    if (known) return known.peerUserId;
    // One that this user begins is known by its peer alone, until its first entry has come.
    directs ??= new Map(
      // The path is what the record was put under.
      (await directRecord.list(store)).map(({ path, value }) => [value, path[0] as UserId]),
    );
    return directs.get(id) ?? ((await groupRecord.get(store, id)) ? null : undefined);
  };
}

/** A group, from the store unless `isFresh`. Throws `GROUP_NOT_FOUND` for whoever is no member. */
export async function findGroup(
  { store, api }: Session,
  id: ConversationId,
  signal?: AbortSignal,
  isFresh = false,
): Promise<Group> {
  const known = isFresh ? undefined : await groupRecord.get(store, id);
  if (known) return known;
  const group = await api.call(
    (server, options) => server.groups.get.query({ conversationId: id }, options),
    signal,
  );
  if (group.id !== id) throw new SottoError("BAD_ANSWER");
  await store.commit([groupRecord.put([id], group)]);
  return group;
}

/**
 * How many others are in a conversation now: whom a message of another device of this user's is counted for. The group
 * is asked for where it is not stored; null: this user is no member any more. Throws `NETWORK` and the like.
 */
export async function countOthers(
  session: Session,
  { id, isGroup }: { id: ConversationId; isGroup: boolean },
  signal: AbortSignal,
): Promise<number | null> {
  if (!isGroup) return 1;
  try {
    return (await findGroup(session, id, signal)).members.length - 1;
  } catch (error) {
    if (error instanceof SottoError && error.code === "GROUP_NOT_FOUND") return null;
    throw error;
  }
}
