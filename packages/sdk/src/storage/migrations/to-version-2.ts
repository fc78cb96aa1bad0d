import * as z from "zod/mini";
import { SottoError } from "../../errors.ts";
import type { Store, StoreWrite } from "../store.ts";

const anything = z.record(z.string(), z.unknown());
/** As version 1 had it: texts to users only. */
const sent = z.object({
  peerUserId: z.string(),
  text: z.string(),
  sentAtMs: z.number(),
  order: z.number(),
  state: z.enum(["queued", "stopped", "delivered"]),
  counter: z.nullable(z.number()),
  sealed: z.nullable(anything),
  delivered: z.nullable(anything),
});

/**
 * The timeline: messages go to users or groups, and say more than texts. `conversation/PEER`, which held an id, becomes
 * `direct/PEER`; the outbox gets lanes; sealed bytes stay as they are, with the conversation that they were sealed for.
 */
export async function toVersion2(store: Store): Promise<StoreWrite[]> {
  const conversations = await store.list("conversation/");
  const idOf = new Map(conversations.map(({ key, value }) => [key.slice("conversation/".length), value]));
  const queue = await store.list("outbox/");
  const writes: StoreWrite[] = [...conversations, ...queue].map(({ key }) => ({ key, value: undefined }));
  for (const [peer, value] of idOf) writes.push({ key: `direct/${peer}`, value });
  for (const { key, value } of await store.list("sent/")) {
    const { peerUserId, text, sentAtMs, ...old } = sent.parse(value);
    const conversationId = idOf.get(peerUserId);
    if (old.sealed && conversationId === undefined) throw new SottoError("STORE_DAMAGED");
    const message = {
      ...old,
      destination: { kind: "direct", peerUserId },
      payload: { kind: "text", text, sentAtMs },
      state: old.state === "stopped" ? "failed" : old.state,
      error: old.state === "stopped" ? "ABORTED" : null,
      sealed: old.sealed && { ...old.sealed, conversationId, recipientCount: 1 },
      delivered: old.delivered && { ...old.delivered, recipientCount: 1 },
    };
    writes.push({ key, value: message });
    if (old.state === "delivered") continue;
    const place = `direct/${peerUserId}/${String(old.order).padStart(16, "0")}`;
    const clientMessageId = key.slice("sent/".length);
    writes.push({ key: `unplaced/${place}`, value: clientMessageId });
    if (old.state === "queued") writes.push({ key: `outbox/${place}`, value: clientMessageId });
  }
  return writes;
}
