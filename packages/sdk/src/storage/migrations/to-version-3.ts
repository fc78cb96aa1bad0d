import * as z from "zod/mini";
import type { Store, StoreWrite } from "../store.ts";

/** As version 2 had it, as far as it matters. */
const received = z.object({
  kind: z.string(),
  id: z.string(),
  conversationId: z.string(),
  senderUserId: z.string(),
  target: z.optional(z.unknown()),
});

/** The inbox is found by what a deletion names; deleted messages are counted by user, and no more by conversation. */
export async function toVersion3(store: Store): Promise<StoreWrite[]> {
  const writes: StoreWrite[] = (await store.list("erased/")).map(({ key }) => ({ key, value: undefined }));
  for (const { key, value } of await store.list("inbox/")) {
    const { kind, id, conversationId, senderUserId, target } = received.parse(value);
    if (kind === "reaction" || kind === "deletion" || kind === "deleted") continue;
    const name = `${conversationId}/${kind === "edit" ? `${senderUserId}/${String(target)}` : id}`;
    writes.push({
      key: `inbox-name/${encodeURIComponent(name)}/${key.slice("inbox/".length)}`,
      value: 1,
    });
  }
  return writes;
}
