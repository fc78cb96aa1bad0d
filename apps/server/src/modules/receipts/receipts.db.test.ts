import { randomInt } from "node:crypto";
import type { ConversationId, DeviceId, LogId, Message, MessageId, UserId } from "@sotto/schema";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { signIn, signInWithDevice } from "../../../test/rest-client.ts";
import { startTestServer } from "../../../test/test-server.ts";
import type { Call } from "../../pipeline/call.ts";
import { authenticate } from "../accounts/authenticate.ts";
import { getConversationsSummary } from "../conversations/conversations.service.ts";
import { listAccountEntries } from "../logs/logs.service.ts";
import { ackMessage, getReceipts } from "../messages/acks.service.ts";
import { searchMessages } from "../messages/history.service.ts";
import { getInbox } from "../messages/messages.service.ts";
import { sendDirect } from "../messages/send.service.ts";
import { ackPositions } from "../sync/positions.service.ts";
import type { MarkKind } from "./receipts.tables.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? randomInt(2 ** 31));
const runs = Number(process.env["FUZZ_RUNS"] ?? 40);

let clock = Date.UTC(2026, 0, 1);
const server = await startTestServer({
  now: () => new Date(clock),
  env: { JWT_EXPIRES_MINUTES: "5256000" },
});
afterAll(() => server[Symbol.asyncDispose]());
const { app } = server;

/** A token; the device is empty for one that published none. */
interface Token {
  call: Call;
  device: DeviceId | "";
}

interface Side {
  id: UserId;
  phone: string;
  tokens: Token[];
  /** Where a device began; those of the first hour begin at 0. */
  startOf: Map<string, number>;
}

const kinds = ["delivered", "read"] as const;

/** What acks mean, said without marks: who has what since when, and what the author was told. */
class Model {
  readonly messages: Message[] = [];
  readonly #acks = new Map<string, number>();
  readonly told: string[] = [];

  ackedAt(kind: MarkKind, side: Side, device: string, seq: number): number | undefined {
    return this.#acks.get(`${kind}/${side.id}/${device}/${seq}`);
  }

  /** On any device, or with a token that has none. */
  isAcked(kind: MarkKind, side: Side, seq: number): boolean {
    return ["", ...side.startOf.keys()].some((device) => this.ackedAt(kind, side, device, seq) !== undefined);
  }

  ackOne(side: Side, device: string, ack: { kind: MarkKind; seq: number }): void {
    for (const kind of ack.kind === "read" ? kinds : (["delivered"] as const)) {
      // A token without a device has nothing to add to what a device has said.
      const isKnown =
        device === ""
          ? this.isAcked(kind, side, ack.seq)
          : this.ackedAt(kind, side, device, ack.seq) !== undefined;
      if (isKnown) continue;
      this.#acks.set(`${kind}/${side.id}/${device}/${ack.seq}`, clock);
      this.#tell(kind, side, device, ack.seq);
    }
  }

  ackThrough(side: Side, device: string, wantedSeq: number): void {
    const throughSeq = Math.min(wantedSeq, this.messages.length);
    const start = side.startOf.get(device) ?? 0;
    if (throughSeq <= start) return;
    for (let seq = 1; seq <= throughSeq; seq++) {
      if (this.isOwn(side, seq) || this.ackedAt("delivered", side, device, seq) !== undefined) continue;
      this.#acks.set(`delivered/${side.id}/${device}/${seq}`, clock);
      // What the user had before the device came is not news.
      if (seq > start) this.#tell("delivered", side, device, seq);
    }
  }

  isOwn(side: Side, seq: number): boolean {
    return this.messages[seq - 1]?.senderUserId === side.id;
  }

  seqsTo(side: Side): number[] {
    return this.messages.map((_, index) => index + 1).filter((seq) => !this.isOwn(side, seq));
  }

  #tell(kind: MarkKind, side: Side, device: string, seq: number): void {
    this.told.push(`${kind}/${this.messages[seq - 1]?.id ?? ""}/${side.id}/${device}`);
  }
}

async function tokenOf(side: Pick<Side, "phone">, device: string): Promise<Token> {
  const { token } = device
    ? await signInWithDevice(server.url, device, side.phone)
    : await signIn(server.url, side.phone);
  const caller = await authenticate(app, token);
  return {
    device: caller.deviceId ?? "",
    call: { app, caller, requestId: "test", address: "127.0.0.1" },
  };
}

async function newSide(): Promise<Side> {
  const { id, phone } = await signIn(server.url);
  const side: Side = { id: id as UserId, phone, tokens: [], startOf: new Map() };
  for (const device of ["", "first", "second"]) side.tokens.push(await tokenOf(side, device));
  for (const { device } of side.tokens) if (device) side.startOf.set(device, 0);
  return side;
}

type Step =
  | { do: "send"; side: number }
  | { do: "ack"; side: number; token: number; message: number; kind: MarkKind; named: number | null }
  | { do: "through"; side: number; token: number; seq: number }
  | { do: "inbox"; side: number; token: number; limit: number }
  | { do: "new device"; side: number };

const side = fc.nat(1);
const token = fc.nat(5);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("send" as const), side }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("ack" as const),
      side,
      token,
      message: fc.nat(30),
      kind: fc.constantFrom(...kinds),
      named: fc.option(token, { freq: 2 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("through" as const), side, token, seq: fc.nat(30) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("inbox" as const),
      side,
      token,
      limit: fc.integer({ min: 1, max: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("new device" as const), side }) },
);

/** Does a step to the server and to the model. */
async function take(step: Step, model: Model, sides: readonly [Side, Side]): Promise<void> {
  clock += 1_000;
  const me = sides[step.side === 0 ? 0 : 1];
  const peer = sides[step.side === 0 ? 1 : 0];
  const pick = (index: number): Token => at(me.tokens, index % me.tokens.length);
  switch (step.do) {
    case "send": {
      const senderDeviceId = "a label" as DeviceId;
      const input = { recipientUserId: peer.id, senderDeviceId, ciphertext: "c" };
      model.messages.push(await sendDirect(pick(0).call, input));
      return;
    }
    case "ack": {
      const seqs = model.seqsTo(me);
      if (seqs.length === 0) return;
      const seq = at(seqs, step.message % seqs.length);
      const { call, device } = pick(step.token);
      const named = step.named === null ? undefined : pick(step.named).device || undefined;
      await ackMessage(call, {
        messageId: at(model.messages, seq - 1).id,
        kind: step.kind,
        ...(named === undefined ? {} : { deviceId: named }),
      });
      model.ackOne(me, named ?? device, { kind: step.kind, seq });
      return;
    }
    case "through": {
      const { call, device } = pick(step.token);
      const log = model.messages[0]?.conversationId as string as LogId | undefined;
      if (!device || !log) return;
      await ackPositions({ ...call, caller: { ...call.caller, deviceId: device } }, [{ log, seq: step.seq }]);
      model.ackThrough(me, device, step.seq);
      return;
    }
    case "inbox": {
      const { call, device } = pick(step.token);
      const wanted = model.seqsTo(me).filter((seq) => !model.isAcked("delivered", me, seq));
      const { messages } = await getInbox(call, { ackDelivered: true, limit: step.limit });
      expect(messages.map(({ id }) => id)).toEqual(
        wanted.slice(0, step.limit).map((seq) => at(model.messages, seq - 1).id),
      );
      for (const seq of wanted.slice(0, step.limit)) model.ackOne(me, device, { kind: "delivered", seq });
      return;
    }
    case "new device": {
      if (me.tokens.length >= 6) return;
      const added = await tokenOf(me, `late-${me.tokens.length}`);
      me.tokens.push(added);
      const found = await app.db
        .selectFrom("positions")
        .select("seq")
        .where("user_id", "=", me.id)
        .where("device_id", "=", added.device || ("" as DeviceId))
        .where("log_id", "<>", me.id as string as LogId)
        .executeTakeFirst();
      const start = found?.seq ?? 0;
      // What nobody of the user has yet comes to the new device too.
      const undelivered = model.seqsTo(me).find((seq) => !model.isAcked("delivered", me, seq));
      expect(start).toBeLessThan(undelivered ?? Infinity);
      me.startOf.set(added.device, start);
    }
  }
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new Error(`no item ${index} of ${list.length}`);
  return item;
}

/** Compares everything that a client can ask with what the model says. */
async function compare(model: Model, sides: readonly [Side, Side]): Promise<void> {
  const [first] = model.messages;
  if (!first) return;
  for (const [me, peer] of [sides, [sides[1], sides[0]] as const]) {
    const { call } = at(me.tokens, 0);
    const toMe = model.seqsTo(me);
    const idsOf = (seqs: number[]): MessageId[] => seqs.map((seq) => at(model.messages, seq - 1).id);

    const inbox = await getInbox(call, { ackDelivered: false, limit: 200 });
    expect(inbox.messages.map(({ id }) => id)).toEqual(
      idsOf(toMe.filter((seq) => !model.isAcked("delivered", me, seq))),
    );
    const { conversations } = await getConversationsSummary(call);
    expect(conversations.map(({ unreadCount }) => unreadCount)).toEqual([
      toMe.filter((seq) => !model.isAcked("read", me, seq)).length,
    ]);
    const history = await searchMessages(call, { conversationId: first.conversationId, limit: 200 });
    expect(history.messages).toEqual(
      model.messages.map((message, index) => {
        const reader = model.isOwn(me, index + 1) ? peer : me;
        return {
          ...message,
          delivered: model.isAcked("delivered", reader, index + 1),
          read: model.isAcked("read", reader, index + 1),
        };
      }),
    );
    for (const seq of toMe) {
      const rows = await getReceipts(call, at(model.messages, seq - 1).id);
      const timeOf = (kind: MarkKind, device: string): string | null => {
        const ms = model.ackedAt(kind, me, device, seq);
        return ms === undefined ? null : new Date(ms).toISOString();
      };
      const expected = [...me.startOf.keys()].toSorted().map((deviceId) => {
        const [deliveredAt, readAt] = [timeOf("delivered", deviceId), timeOf("read", deviceId)];
        const [delivered, read] = [deliveredAt !== null, readAt !== null];
        return { deviceId, userId: me.id, delivered, read, deliveredAt, readAt };
      });
      expect(rows.toSorted((a, b) => (a.deviceId < b.deviceId ? -1 : 1))).toEqual(expected);
    }
  }
  expect((await listTold(sides, first.conversationId)).toSorted()).toEqual(model.told.toSorted());
}

/** What the account logs of both tell their authors, each message and device on its own. */
async function listTold(sides: readonly Side[], conversationId: ConversationId): Promise<string[]> {
  const logs = await Promise.all(
    sides.map(({ id }) => listAccountEntries(app.db, { userId: id, afterSeq: 0, limit: 10_000 })),
  );
  return logs.flat().flatMap(({ event }) => {
    if (event.type !== "message.delivered" && event.type !== "message.read") return [];
    expect(event.conversationId).toBe(conversationId);
    const kind = event.type === "message.read" ? "read" : "delivered";
    return [`${kind}/${event.messageId}/${event.userId}/${event.deviceId ?? ""}`];
  });
}

test(
  `any sequence of sends and acks reads as a naive model says, and authors are told once (FUZZ_SEED=${seed})`,
  { timeout: 180_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { minLength: 5, maxLength: 60 }), async (steps) => {
        const sides = [await newSide(), await newSide()] as const;
        const model = new Model();
        for (const step of steps) await take(step, model, sides);
        await compare(model, sides);
      }),
      { seed, numRuns: runs, interruptAfterTimeLimit: 120_000, markInterruptAsFailure: true },
    );
  },
);
