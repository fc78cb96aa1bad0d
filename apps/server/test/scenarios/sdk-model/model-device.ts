import {
  createClient,
  SottoError,
  type Client,
  type Conversation,
  type ReceivedMessage,
  type SentMessage,
} from "@sotto/sdk";
import * as z from "zod/mini";
import { Proxy } from "../../proxy.ts";
import { CrashingStore } from "../../sdk-fixtures.ts";
import type { ModelUser } from "./world.ts";

/** Where a message of the model goes: to a user, or to the group. */
export type Lane = { kind: "direct"; peer: ModelUser } | { kind: "group"; groupId: string };

/** A message as its application knows it. */
export interface Sending {
  text: string;
  clientMessageId: string;
  from: ModelDevice;
  lane: Lane;
  /** After a crash its application sends it once more; otherwise it trusts the queue. */
  isRetried: boolean;
  /** It had failed without anybody learning of it: sent once more, it goes to the end of the queue. */
  isRequeued: boolean;
  outcome: "open" | "never_queued" | SentMessage | SottoError;
  running: Promise<void>;
}

/** One process of the client: it ends by a crash, or at the end. */
interface Run {
  client: Client;
  line: Proxy;
  store: ReturnType<CrashingStore["open"]>;
  isDead: boolean;
  isFirstShown: boolean;
  reading: Promise<void>;
}

/** A device of the model: a disk that survives, a network of its own, and the process that comes and goes. */
export class ModelDevice {
  readonly name: string;
  readonly user: ModelUser;
  readonly shown: ReceivedMessage[] = [];
  readonly sendings: Sending[] = [];
  /** What came to the application that must not have. */
  readonly violations: string[] = [];
  /** From then on its user's list names it, by the clock that it shares with the server; Infinity before. */
  readyAt = Infinity;
  removal: { startedAt: number; endedAt: number } | undefined;
  readonly #url: string;
  readonly #disk = new CrashingStore();
  readonly #endings: Promise<unknown>[] = [];
  /** What the present process was asked to send, and has not answered. */
  readonly #inFlight = new Set<Sending>();
  #run: Run | undefined;
  #hasCrashed = false;
  #deviceId: string | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(user: ModelUser, name: string, url: string) {
    this.user = user;
    this.name = name;
    this.#url = url;
  }

  get client(): Client | undefined {
    return this.#run && !this.#run.isDead ? this.#run.client : undefined;
  }

  get deviceId(): string | undefined {
    return this.#deviceId;
  }

  /** With what the timeline says of each message whose sending has not ended. */
  async describe(): Promise<string> {
    const sendings = this.sendings.filter(({ outcome }) => outcome === "open");
    const open = await Promise.all(
      sendings.map(async (sending) => `${sending.text} ${await this.#stateOf(sending).catch(String)}`),
    );
    const state = this.client ? JSON.stringify(this.client.status) : "dead";
    return `${this.name}${this.removal ? " (removed)" : ""} ${state} open: ${open.join()}`;
  }

  async #stateOf({ lane, clientMessageId }: Sending): Promise<string> {
    if (!this.client) return "unknown";
    const line = await laneOf(this.client, lane).find({ senderUserId: this.user.id, clientMessageId });
    return `${line?.state ?? "missing"}, seq ${line?.seq}`;
  }

  /** Starts the process, or the receiving of one that was stopped. */
  boot(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.removal) return;
      const running = this.#run;
      if (running && !running.isDead) {
        await this.#start(running);
        return;
      }
      const line = await Proxy.open(this.#url);
      const store = this.#disk.open();
      const client = await createClient({ url: line.url, store });
      const run = { client, line, store, isDead: false, isFirstShown: true, reading: Promise.resolve() };
      await this.#findFailed();
      this.#run = run;
      // Before anything new is sent: it was sent before.
      this.#resend(run);
      await this.#whileAlive(run, async () => {
        await this.user.signingIn(() => this.#signIn(run));
        await this.#start(run);
      });
    });
  }

  stop(): Promise<void> {
    return this.#inTurn(async () => {
      const run = this.#run;
      if (run && !run.isDead) await this.#whileAlive(run, () => run.client.stop());
    });
  }

  cut(): void {
    this.#run?.line.cut();
  }

  loseAnswer(): void {
    void this.#run?.line.loseAnswerTo("/trpc/messages.send");
  }

  doubleRequest(): void {
    this.#run?.line.doubleRequestTo("/trpc/messages.send");
  }

  /** Dies at a commit to come: that one is done, or not, and nothing after it; the network is gone too. */
  crashAt(commit: number, when: "before" | "after"): void {
    const run = this.#run;
    if (!run || run.isDead) return;
    let commits = 0;
    this.#disk.crashAt(when, () => {
      if (++commits !== commit) return false;
      this.#die(run);
      return true;
    });
  }

  send(lane: Lane, text: string, isRetried: boolean): Sending | undefined {
    const run = this.#run;
    // Nothing is sent from a device that waits for its approval.
    if (!run || run.isDead || this.readyAt === Infinity) return undefined;
    const sending: Sending = {
      text,
      clientMessageId: crypto.randomUUID(),
      from: this,
      lane,
      isRetried,
      isRequeued: false,
      outcome: "open",
      running: Promise.resolve(),
    };
    this.sendings.push(sending);
    this.#transmit(run, sending);
    return sending;
  }

  /** Runs it undisturbed, and asks of each message that the queue was trusted with what became of it. */
  async settle(): Promise<void> {
    await this.boot();
    await this.#inTurn(async () => this.#disk.crashAt("before", () => false));
    await this.boot();
    const run = this.#run;
    if (!run || run.isDead) throw new Error(`${this.name} does not run`);
    await this.#inTurn(async () => {
      for (const sending of this.sendings) await this.#settleOne(run, sending);
    });
    await Promise.all(this.sendings.map(({ running }) => running));
  }

  async #settleOne(run: Run, sending: Sending): Promise<void> {
    if (sending.outcome !== "open" || this.#inFlight.has(sending)) return;
    const { clientMessageId } = sending;
    const senderUserId = this.user.id;
    const line = await laneOf(run.client, sending.lane).find({ senderUserId, clientMessageId });
    // It failed when the process that was asked for it was dead.
    if (line?.state === "failed") sending.isRequeued = true;
    if (line) this.#transmit(run, sending);
    else sending.outcome = "never_queued";
  }

  /** Connects anew, and reads until everything that the server has has been shown. */
  async catchUp(): Promise<void> {
    await this.stop();
    const caughtUp = Promise.withResolvers<void>();
    const run = this.#run;
    if (!run || run.isDead) throw new Error(`${this.name} does not run`);
    run.client.on("status", ({ isCaughtUp, error }) => {
      if (isCaughtUp) caughtUp.resolve();
      if (error) caughtUp.reject(new Error(`${this.name}: ${error.code}`, { cause: error }));
    });
    await this.boot();
    await caughtUp.promise;
    while ((await run.store.list("inbox/", { limit: 1 })).length > 0) await new Promise(setImmediate);
  }

  /** Tries, once removed, to go on: what it is told then. Undefined: it is let in. */
  async knock(): Promise<string | undefined> {
    await this.#last;
    const run = this.#run;
    if (run && !run.isDead) this.#die(run);
    await using line = await Proxy.open(this.#url);
    const client = await createClient({ url: line.url, store: this.#disk.open() });
    try {
      const answer = Promise.withResolvers<string | undefined>();
      client.on("status", ({ isCaughtUp, error }) => {
        if (isCaughtUp || error) answer.resolve(error?.code);
      });
      await client.start();
      return await answer.promise;
    } catch (error) {
      if (error instanceof SottoError) return error.code;
      throw error;
    } finally {
      await client.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const run = this.#run;
    if (run && !run.isDead) this.#die(run);
    await this.#last;
    await Promise.all([...this.#endings, ...this.sendings.map(({ running }) => running)]);
  }

  /** What failed just before the crash: nobody had learned of it. */
  async #findFailed(): Promise<void> {
    for (const sending of this.sendings) {
      if (sending.outcome !== "open") continue;
      const [stored] = await this.#disk.list(`sent/${sending.clientMessageId}`);
      sending.isRequeued ||= failedRecord.safeParse(stored?.value).success;
    }
  }

  #resend(run: Run): void {
    for (const sending of this.sendings) {
      if (sending.outcome === "open" && sending.isRetried) this.#transmit(run, sending);
    }
  }

  #transmit(run: Run, sending: Sending): void {
    const { lane, text, clientMessageId } = sending;
    this.#inFlight.add(sending);
    sending.running = laneOf(run.client, lane)
      .send(text, { clientMessageId })
      .then(
        (sent) => {
          sending.outcome = sent;
        },
        (error: unknown) => {
          // Nobody in a dead process learns of it.
          if (run.isDead) return;
          if (error instanceof SottoError) sending.outcome = error;
          else this.violations.push(`${this.name}: ${text} failed with ${String(error)}`);
        },
      )
      .finally(() => {
        if (this.#run === run) this.#inFlight.delete(sending);
      });
  }

  async #signIn(run: Run): Promise<void> {
    const { client } = run;
    while (!client.me) {
      try {
        const { phone } = this.user;
        const { otpSession, devCode = "" } = await client.requestOtp(phone);
        await client.signIn({ phone, otp: devCode, otpSession, deviceName: this.name });
      } catch (error) {
        // Where the answer was lost the code is used up: its user asks for another one.
        const isPassing = error instanceof SottoError && ["NETWORK", "OTP_INVALID"].includes(error.code);
        if (!isPassing || run.isDead) throw error;
      }
    }
    this.#deviceId = client.me.deviceId;
    this.user.id = client.me.userId;
  }

  async #start(run: Run): Promise<void> {
    await this.#whileAlive(run, async () => {
      await run.client.start();
      if (this.readyAt === Infinity) await this.#getReady(run);
      const before = run.reading;
      run.reading = before.then(() => this.#read(run));
    });
  }

  /** The first device of a user is linked by itself; another one is let in, at once or when all is calm. */
  async #getReady({ client }: Run): Promise<void> {
    const state = await client.identity.check().catch(() => "unknown" as const);
    if (state === "linked") this.readyAt = Date.now();
    if (state !== "pending") return;
    const code = await client.devices.link().catch(unlessCut);
    if (code !== undefined) await this.user.approve(this, code);
  }

  async #read(run: Run): Promise<void> {
    if (run.isDead) return;
    try {
      for await (const message of run.client.messages()) this.#show(run, message);
    } catch (error) {
      if (run.isDead || (error instanceof SottoError && (error.code === "BUSY" || this.removal))) return;
      this.violations.push(`${this.name}: reading ended with ${String(error)}`);
    }
  }

  #show(run: Run, message: ReceivedMessage): void {
    if (run.isDead) return;
    // The crash may have been before the last one was consumed.
    const mayRepeat = run.isFirstShown && this.#hasCrashed;
    run.isFirstShown = false;
    if (mayRepeat && this.shown.at(-1)?.id === message.id) return;
    if (this.shown.some(({ id }) => id === message.id))
      this.violations.push(`${this.name}: ${message.id} was shown twice`);
    this.shown.push(message);
  }

  #die(run: Run): void {
    run.isDead = true;
    this.#hasCrashed = true;
    this.#inFlight.clear();
    run.line.goOffline();
    const ending = async (): Promise<void> => {
      await run.client.close().catch(() => {});
      await run.reading;
      await run.line[Symbol.asyncDispose]();
    };
    this.#endings.push(ending());
  }

  /** What a process throws when it dies is of no interest. */
  async #whileAlive(run: Run, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (!run.isDead && !this.removal) throw error;
    }
  }

  #inTurn(action: () => Promise<void>): Promise<void> {
    const result = this.#last.then(action);
    this.#last = result.catch((error: unknown) => {
      this.violations.push(`${this.name}: ${String(error)}`);
    });
    return result;
  }
}

function unlessCut(error: unknown): undefined {
  if (!(error instanceof SottoError) || error.code !== "NETWORK") throw error;
}

const failedRecord = z.looseObject({ state: z.literal("failed") });

export function laneOf(client: Client, lane: Lane): Conversation {
  return lane.kind === "direct" ? client.conversations.with(lane.peer.id) : client.groups.get(lane.groupId);
}
