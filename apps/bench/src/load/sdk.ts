import { createTRPCClient, createWSClient, httpLink, splitLink, wsLink } from "@trpc/client";
import type { ContractRouter, SyncEvent } from "@sotto/schema";
import { createClient, memoryStore, type Client } from "@sotto/sdk";
import { WebSocket } from "ws";
import { deviceId, userIdOf } from "../people.ts";
import { toLatency, type Latency } from "../statistics.ts";
import { ciphertextOf, tokenFor, type Target } from "./target.ts";

interface SdkInput {
  target: Target;
  durationMs: number;
}

/** The messages that were sent and have not arrived. */
class Arrivals {
  readonly samples: number[] = [];
  readonly #open = new Map<string, () => void>();

  /** Sends, and waits until it has arrived. */
  async time(text: string, send: () => Promise<unknown>): Promise<void> {
    const startedAt = performance.now();
    const arrived = new Promise<void>((resolve) => {
      this.#open.set(text, () => {
        this.samples.push(performance.now() - startedAt);
        resolve();
      });
    });
    await Promise.all([send(), arrived]);
  }

  arrive(text: string): void {
    this.#open.get(text)?.();
    this.#open.delete(text);
  }
}

async function openSdkUser(url: string, phone: string): Promise<Client> {
  const client = await createClient({ url, store: memoryStore() });
  const { otpSession, devCode = "" } = await client.requestOtp(phone);
  await client.signIn({ phone, otp: devCode, otpSession });
  await client.start();
  return client;
}

let lastPhone = 0;
const nextPhone = (): string => `+4917${String(process.pid).padStart(8, "0").slice(-8)}${++lastPhone % 10}`;

/** Two SDK clients: seal, send, deliver, open, one at a time and then 32 sends at once. */
export async function sdkSealed(input: SdkInput): Promise<{ latency: Latency; sendsPerSecond: number }> {
  const { target, durationMs } = input;
  await using alice = await openSdkUser(target.url, nextPhone());
  await using bob = await openSdkUser(target.url, nextPhone());
  const arrivals = new Arrivals();
  const reading = (async () => {
    for await (const message of bob.messages()) if (message.kind === "text") arrivals.arrive(message.text);
  })();
  const conversation = alice.conversations.with(bob.me?.userId ?? "");
  await repeat(durationMs, (n) =>
    arrivals.time(ciphertextOf(n, 200), () => conversation.send(ciphertextOf(n, 200))),
  );
  const startedAt = performance.now();
  let sent = 0;
  while (performance.now() - startedAt < durationMs) {
    await Promise.all(Array.from({ length: 32 }, () => conversation.send(ciphertextOf(++sent, 200))));
  }
  const sendsPerSecond = (sent / (performance.now() - startedAt)) * 1000;
  await bob.stop();
  await reading;
  return { latency: toLatency(arrivals.samples), sendsPerSecond };
}

/** The same calls by the official client, with nothing sealed: send over HTTP, subscription, ack. */
export async function sdkPlain({ target, durationMs }: SdkInput): Promise<Latency> {
  const sender = connect(target, 0);
  const reader = connect(target, 1);
  const arrivals = new Arrivals();
  const isOpen = Promise.withResolvers<void>();
  const subscription = reader.api.sync.subscribe.subscribe(undefined, {
    onData: (event: SyncEvent) => {
      if (event.type === "caught_up") isOpen.resolve();
      if (event.type !== "entry" || event.event.type !== "message.created") return;
      arrivals.arrive(event.event.message.ciphertext);
      void reader.api.sync.ack.mutate({ positions: [{ log: event.log, seq: event.seq }] });
    },
    onError: (error) => isOpen.reject(error),
  });
  await isOpen.promise;
  await repeat(durationMs, (n) => {
    const message = { recipientUserId: userIdOf(1), senderDeviceId: deviceId, ciphertext: ciphertextOf(n) };
    const clientMessageId = crypto.randomUUID();
    return arrivals.time(message.ciphertext, () =>
      sender.api.messages.send.mutate({ ...message, clientMessageId }),
    );
  });
  subscription.unsubscribe();
  await Promise.all([sender.socket.close(), reader.socket.close()]);
  return toLatency(arrivals.samples);
}

function connect({ url, kind }: Target, person: number) {
  const token = tokenFor({ url, kind }, person);
  const socket = createWSClient({
    url: `${url.replace("http", "ws")}/trpc`,
    WebSocket: WebSocket as unknown as typeof globalThis.WebSocket,
    connectionParams: { token },
  });
  const api = createTRPCClient<ContractRouter>({
    links: [
      splitLink({
        condition: ({ type }) => type === "subscription",
        true: wsLink({ client: socket }),
        false: httpLink({ url: `${url}/trpc`, headers: { authorization: `Bearer ${token}` } }),
      }),
    ],
  });
  return { api, socket };
}

async function repeat(durationMs: number, once: (n: number) => Promise<void>): Promise<void> {
  const startedAt = performance.now();
  for (let n = 0; performance.now() - startedAt < durationMs; n++) await once(n);
}
