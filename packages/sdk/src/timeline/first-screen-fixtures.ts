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
/** Of each conversation the newest ones can be read. */
const readable = 60;
const [few, many] = [readable * conversations, 100_000];
const opens = 5;
export const pageSize = 50;

const numbered = (kind: string, n: number): string =>
  `0197a2f0-${kind}-7000-8000-${n.toString(16).padStart(12, "0")}`;
const conversationOf = (n: number) => conversationId.parse(numbered("0001", n));
const peerOf = (n: number) => userId.parse(numbered("0002", 100 + n));

/** A kind of store, each under a name. */
export interface StoreKind {
  open(name: string): Promise<Store>;
  /** Puts what is stored under one key, as it is, under others too. */
  copy(name: string, from: string, to: readonly string[]): Promise<void>;
}

/**
 * Signs in, and puts so many messages into each conversation, the newest ones as `Placing` leaves them. The others are
 * ciphertext of the same size that is of another key: decrypting one throws `STORE_DAMAGED`.
 */
async function fillStore(kind: StoreKind, name: string, inEach: number): Promise<void> {
  const store = await kind.open(name);
  await migrateStore(store);
  const keys = await generateDeviceKeys({ ...me, now: Date.now(), extractable: !store.keepsCryptoKeys });
  const writes: StoreWrite[] = [
    ...(await writeDeviceKeys(keys, undefined)),
    { key: "account", value: { ...me, token: "none", deviceName: null, isPublished: true } },
    { key: "conversations-loaded", value: 1 },
  ];
  const unreadable: string[] = [];
  for (let n = 1; n <= conversations; n++) {
    const begun = newConversation({ peerUserId: peerOf(n) }, 0);
    const lastMessageAt = timeOf(n * inEach);
    writes.push(conversationRecord.put([conversationOf(n)], { ...begun, lastSeq: inEach, lastMessageAt }));
    writes.push(directRecord.put([peerOf(n)], conversationOf(n)));
    for (let seq = 1; seq <= inEach; seq++) {
      if (seq <= inEach - readable) unreadable.push(lineKey(n, seq));
      else writes.push(lineOf(n, seq, (n - 1) * inEach + seq));
    }
  }
  await store.commit(writes);
  await store.close();
  await kind.copy(name, lineKey(1, inEach), unreadable);
}

const lineKey = (n: number, seq: number): string => messageRecord.remove(conversationOf(n), seq).key;

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

/** Opens a store of few messages once, and one of 100,000 several times, whenever `again` is called. */
export async function fillFirstScreens(
  kind: StoreKind,
): Promise<{ few: FirstScreen; again: () => Promise<FirstScreen[]> }> {
  await fillStore(kind, "few", few / conversations);
  await fillStore(kind, "many", many / conversations);
  return {
    few: await openFirstScreen(() => kind.open("few")),
    again: async () => {
      const ofMany: FirstScreen[] = [];
      while (ofMany.length < opens) ofMany.push(await openFirstScreen(() => kind.open("many")));
      return ofMany;
    },
  };
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
