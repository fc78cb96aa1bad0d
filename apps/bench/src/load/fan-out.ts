import { groupIdOf } from "../people.ts";
import { openSender } from "./sender.ts";
import { ciphertextOf, tokenFor, type Target } from "./target.ts";
import { WsReader } from "./ws-reader.ts";

interface FanOutInput {
  target: Target;
  /** Members who read; the first person sends, and reads nothing. */
  groupSize: number;
  durationMs: number;
}

export interface FanOutResult {
  messages: number;
  deliveries: number;
  elapsedMs: number;
}

const inFlight = 4;

/** Until every member has every message. */
export async function fanOut(input: FanOutInput): Promise<FanOutResult> {
  const { target, groupSize, durationMs } = input;
  const readers = groupSize - 1;
  let deliveries = 0;
  let messages = 0;
  let isSending = true;
  const all = Promise.withResolvers<void>();
  const onText = (): void => {
    deliveries++;
    if (!isSending && deliveries === messages * readers) all.resolve();
  };
  const open: WsReader[] = [];
  for (let n = 1; n <= readers; n++) {
    open.push(await WsReader.open({ url: target.url, path: pathOf(target, n), onText }));
  }
  const startedAt = performance.now();
  const isOver = (): boolean => performance.now() - startedAt >= durationMs;
  if (target.kind === "raw") {
    // As many at once as the others have: the next goes out when one has reached everybody.
    const sender = await WsReader.open({ url: target.url, path: "/broadcast", onText: () => {} });
    const frame = JSON.stringify({ ciphertext: ciphertextOf(0, rawFrameBytes) });
    while (!isOver()) {
      if (messages * readers - deliveries < inFlight * readers) {
        sender.send(frame);
        messages++;
      } else await new Promise(setImmediate);
    }
    open.push(sender);
  } else {
    await Promise.all(
      Array.from({ length: inFlight }, async () => {
        using sender = await openSender(target, "rest");
        while (!isOver()) {
          const status = await sender.send(0, { group: groupIdOf(groupSize) }, ciphertextOf(0));
          if (status !== 200) throw new Error(`A send was answered ${status}`);
          messages++;
          while (messages * readers - deliveries > inFlight * readers * 2) await new Promise(setImmediate);
        }
      }),
    );
  }
  isSending = false;
  if (deliveries < messages * readers) await all.promise;
  const elapsedMs = performance.now() - startedAt;
  for (const reader of open) reader[Symbol.dispose]();
  return { messages, deliveries, elapsedMs };
}

/** Of a message of 256 characters, the frame on `/ws`. */
const rawFrameBytes = 720;

const pathOf = (target: Target, n: number): string =>
  target.kind === "raw" ? "/broadcast" : `/ws?token=${tokenFor(target, n)}`;
