import type { ConversationId, DeviceId, MessageId, UserId } from "@sotto/schema";
import { sql } from "kysely";
import type { Db, Tx } from "../../db/db.ts";

export interface PushDevice {
  userId: UserId;
  deviceId: DeviceId;
}

export interface PushTarget extends PushDevice {
  pushToken: string;
}

/** Waits for the transactions that are storing in the conversation. */
export function holdConversation(tx: Tx, id: ConversationId) {
  return tx.selectFrom("conversations").select("id").where("id", "=", id).forShare().executeTakeFirst();
}

/**
 * The newest message, from `fromSeq` on, that a device with a push token has not been delivered and
 * its user has not read; of others, and not deleted. Without `only`: for every member's devices
 * after `after`, in order.
 */
export async function listUndelivered(
  db: Db | Tx,
  conversation: { conversationId: ConversationId; fromSeq: number },
  page: { only?: PushDevice; after?: PushDevice | undefined; limit: number },
): Promise<(PushTarget & { messageId: MessageId })[]> {
  const { conversationId, fromSeq } = conversation;
  const { only, after } = page;
  const { rows } = await sql<PushTarget & { messageId: MessageId }>`
    select d.user_id as "userId", d.device_id as "deviceId", d.push_token as "pushToken", m.id as "messageId"
    from conversation_members v
    join devices d on d.user_id = v.user_id and d.push_token is not null
    left join positions p
      on p.user_id = d.user_id and p.device_id = d.device_id and p.log_id = v.conversation_id
    left join lateral (
      select through_seq from marks
      where conversation_id = v.conversation_id and user_id = v.user_id
        and kind = 'delivered' and device_id = d.device_id
      order by through_seq desc limit 1
    ) k on true
    left join lateral (
      select through_seq from marks
      where conversation_id = v.conversation_id and user_id = v.user_id and kind = 'read'
      order by through_seq desc limit 1
    ) r on true
    cross join lateral (
      select x.id from messages x
      where x.conversation_id = v.conversation_id and x.seq >= ${fromSeq}
        and x.seq > greatest(v.from_seq, coalesce(p.seq, 0), coalesce(k.through_seq, 0), coalesce(r.through_seq, 0))
        and x.sender_user_id <> v.user_id and x.deleted_at is null
        and not exists (
          select from single_marks s
          where s.conversation_id = x.conversation_id and s.user_id = v.user_id and s.seq = x.seq
            and (s.kind = 'read' or s.device_id = d.device_id)
        )
      order by x.seq desc limit 1
    ) m
    where v.conversation_id = ${conversationId} and v.to_seq is null
      and (${only?.userId ?? null}::uuid is null
        or (d.user_id, d.device_id) = (${only?.userId ?? null}::uuid, ${only?.deviceId ?? null}))
      and (${after?.userId ?? null}::uuid is null
        or (d.user_id, d.device_id) > (${after?.userId ?? null}::uuid, ${after?.deviceId ?? null}))
    order by d.user_id, d.device_id limit ${page.limit}
  `.execute(db);
  return rows;
}

/** The user's devices with push tokens; a user has few devices. */
export async function listTokens(db: Db, userId: UserId): Promise<PushTarget[]> {
  const rows = await db
    .selectFrom("devices")
    .select(["device_id", "push_token"])
    .where("user_id", "=", userId)
    .orderBy("device_id")
    .execute();
  return rows.flatMap(({ device_id, push_token }) =>
    push_token === null ? [] : [{ userId, deviceId: device_id, pushToken: push_token }],
  );
}

/** Forgets a token, unless the device has brought another one meanwhile. */
export function forgetToken(db: Db, { userId, deviceId, pushToken }: PushTarget) {
  return db
    .updateTable("devices")
    .set({ push_token: null })
    .where("user_id", "=", userId)
    .where("device_id", "=", deviceId)
    .where("push_token", "=", pushToken)
    .execute();
}
