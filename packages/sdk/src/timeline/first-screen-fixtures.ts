/** For tests only: how a client opens on a store that holds many messages, without a server. */
import { conversationId, userId } from "@sotto/schema";
import { createClient } from "../client.ts";
import { generateDeviceKeys } from "../crypto/device-keys.ts";
import { writeDeviceKeys } from "../identity/device-keys-record.ts";
import { directRecord } from "../messages/participants.ts";
import { migrateStore } from "../storage/migrate-store.ts";
import type { Store, StoreWrite } from "../storage/store.ts";
import { newConversation } from "./identify-conversation.ts";
import { emptyOverlay } from "./overlay.ts";
import { conversationRecord, messageRecord } from "./records.ts";
import { me, said, timeOf } from "./timeline-fixtures.ts";

export const conversations = 100;
const [few, many] = [60 * conversations, 100_000];
const writesAtOnce = 20_000;
export const pageSize = 50;

const numbered = (kind: string, n: number): string =>
  `0197a2f0-${kind}-7000-8000-${n.toString(16).padStart(12, "0")}`;
const conversationOf = (n: number) => conversationId.parse(numbered("0001", n));
const peerOf = (n: number) => userId.parse(numbered("0002", 100 + n));

/** Signs in, and puts so many messages into each conversation, as `Placing` leaves them; the last one is the newest. */
async function fillStore(store: Store, inEach: number): Promise<void> {
  await migrateStore(store);
  const keys = await generateDeviceKeys({ ...me, now: Date.now(), extractable: !store.keepsCryptoKeys });
  await store.commit([
    ...(await writeDeviceKeys(keys, undefined)),
    { key: "account", value: { ...me, token: "none", deviceName: null, isPublished: true } },
    { key: "conversations-loaded", value: 1 },
  ]);
  let writes: StoreWrite[] = [];
  for (let n = 1; n <= conversations; n++) {
    const lastMessageAt = timeOf(n * inEach);
    const begun = newConversation({ peerUserId: peerOf(n) }, 0);
    writes.push(conversationRecord.put([conversationOf(n)], { ...begun, lastSeq: inEach, lastMessageAt }));
    writes.push(directRecord.put([peerOf(n)], conversationOf(n)));
    for (let seq = 1; seq <= inEach; seq++) writes.push(lineOf(n, seq, (n - 1) * inEach + seq));
    if (writes.length < writesAtOnce && n < conversations) continue;
    await store.commit(writes);
    writes = [];
  }
}

function lineOf(n: number, seq: number, place: number): StoreWrite {
  const payload = { kind: "text" as const, text: `message ${seq} of conversation ${n}`, sentAtMs: place };
  const { id, clientMessageId, senderDeviceId } = said(peerOf(n), place, payload);
  return messageRecord.put([conversationOf(n), seq], {
    id,
    senderUserId: peerOf(n),
    senderDeviceId,
    clientMessageId,
    sentAt: timeOf(place),
    assurance: "signed",
    kem: "x25519",
    content: payload,
    overlay: emptyOverlay,
    isUnread: false,
    receipts: null,
  });
}

export interface FirstScreen {
  /** From the opening of the store on. */
  tookMs: number;
  decryptions: number;
  /** Conversations in the list, and lines of the newest one up to its newest message. */
  listed: number;
  lines: number;
}

/** Opens a client anew, lists its conversations, and reads the first page of the newest one. */
async function openFirstScreen(open: () => Promise<Store>): Promise<FirstScreen> {
  using cipher = countDecryptions();
  const startedAt = performance.now();
  await using client = await createClient({ url: "http://127.0.0.1:9", store: await open() });
  const listed = await client.conversations.list();
  const { messages } = await client.conversations
    .with(listed[0]?.peerUserId ?? "")
    .messages({ limit: pageSize });
  const tookMs = performance.now() - startedAt;
  const isNewest = messages.at(-1)?.sentAt === listed[0]?.lastMessageAt;
  return {
    tookMs,
    decryptions: cipher.count(),
    listed: listed.length,
    lines: isNewest ? messages.length : 0,
  };
}

/** Opens a store of few messages once, and one of 100,000 five times. `open` opens the named store. */
export async function measureFirstScreens(
  open: (name: string) => Promise<Store>,
): Promise<{ few: FirstScreen; many: FirstScreen[] }> {
  for (const total of [few, many]) {
    await using filled = new AsyncDisposableStack();
    const store = filled.adopt(await open(`of ${total}`), (opened) => opened.close());
    await fillStore(store, total / conversations);
  }
  const ofFew = await openFirstScreen(() => open(`of ${few}`));
  const ofMany: FirstScreen[] = [];
  while (ofMany.length < 5) ofMany.push(await openFirstScreen(() => open(`of ${many}`)));
  return { few: ofFew, many: ofMany };
}

/** What is asked of the platform's cipher. */
function countDecryptions(): Disposable & { count(): number } {
  const { subtle } = crypto;
  const decrypt = subtle.decrypt.bind(subtle);
  let decryptions = 0;
  Object.defineProperty(subtle, "decrypt", {
    configurable: true,
    value: (...args: Parameters<typeof decrypt>) => {
      decryptions++;
      return decrypt(...args);
    },
  });
  return {
    count: () => decryptions,
    [Symbol.dispose]: () => void Reflect.deleteProperty(subtle, "decrypt"),
  };
}
