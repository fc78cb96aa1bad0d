import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AnySottoError, makeError } from "../errors.ts";
import {
  type ConnectionEffect,
  type ConnectionInput,
  ConnectionMachine,
  type ConnectionState,
} from "./connection-machine.ts";

const half = () => 0.5;
const closed = makeError("CLOSED");

function machineIn(name: ConnectionState["name"], random = half): ConnectionMachine {
  const machine = new ConnectionMachine(random);
  for (const input of pathTo[name]) machine.handle(input);
  expect(machine.state.name).toBe(name);
  return machine;
}

const lost = (closeCode?: number): ConnectionInput => ({
  type: "lost",
  end: closeCode === undefined ? {} : { closeCode },
});
const pathTo: Record<ConnectionState["name"], ConnectionInput[]> = {
  idle: [],
  connecting: [{ type: "started" }],
  online: [{ type: "started" }, { type: "opened" }],
  waiting: [{ type: "started" }, lost()],
  checking: [{ type: "started" }, lost(4401)],
  ended: [{ type: "ended", error: closed }],
};

type Led = [ConnectionState["name"], ...ConnectionEffect["type"][]];

/** SPEC.md's table: what each event leads to. */
const table: { on: ConnectionInput; to: Partial<Record<ConnectionState["name"], Led>> }[] = [
  { on: { type: "started" }, to: { idle: ["connecting", "connect"] } },
  { on: { type: "opened" }, to: { connecting: ["online"] } },
  { on: lost(), to: { connecting: ["waiting", "wait"], online: ["waiting", "wait"] } },
  { on: lost(4401), to: { connecting: ["checking", "check_token"], online: ["checking", "check_token"] } },
  ...[4403, 4409].map((code) => ({
    on: lost(code),
    to: {
      connecting: ["ended", "disconnect", "end"] satisfies Led,
      online: ["ended", "disconnect", "end"] satisfies Led,
    },
  })),
  ...[1001, 1013].map((code) => ({
    on: lost(code),
    to: { connecting: ["waiting", "wait"] satisfies Led, online: ["waiting", "wait"] satisfies Led },
  })),
  { on: { type: "caught_up" }, to: {} },
  { on: { type: "progressed" }, to: {} },
  { on: { type: "retry_due" }, to: { waiting: ["connecting", "connect"] } },
  {
    on: { type: "token_refused" },
    to: {
      connecting: ["checking", "disconnect", "check_token"],
      online: ["checking", "disconnect", "check_token"],
      waiting: ["checking", "stop_waiting", "check_token"],
    },
  },
  { on: { type: "token_checked", error: undefined }, to: { checking: ["waiting", "wait"] } },
  { on: { type: "token_checked", error: makeError("TOKEN_INVALID") }, to: { checking: ["ended", "end"] } },
  {
    on: { type: "network_up" },
    to: {
      connecting: ["connecting", "disconnect", "connect"],
      online: ["online", "probe"],
      waiting: ["connecting", "stop_waiting", "connect"],
    },
  },
  {
    on: { type: "doubted" },
    to: { online: ["online", "probe"], waiting: ["connecting", "stop_waiting", "connect"] },
  },
  {
    on: { type: "ended", error: closed },
    to: {
      idle: ["ended", "end"],
      connecting: ["ended", "disconnect", "end"],
      online: ["ended", "disconnect", "end"],
      waiting: ["ended", "stop_waiting", "end"],
      checking: ["ended", "end"],
    },
  },
];
const after = (closeCode: number | undefined, random: () => number) =>
  machineIn("online", random).handle(lost(closeCode));
const nearlyOne = () => 0.999_999;
const states = Object.keys(pathTo) as ConnectionState["name"][];

describe("the state machine of the connection", () => {
  test.each(table.flatMap(({ on, to }) => states.map((from) => ({ from, on, to: to[from] ?? [from] }))))(
    "$from, $on.type: $to",
    ({ from, on, to: [name, ...effects] }) => {
      const machine = machineIn(from);
      expect(machine.handle(on).map(({ type }) => type)).toEqual(effects);
      expect(machine.state.name).toBe(name);
    },
  );

  test("pauses as the close code asks", () => {
    expect(after(undefined, nearlyOne)).toEqual([{ type: "wait", pauseMs: 249.999_75 }]);
    expect(after(4408, () => 0)).toEqual([{ type: "wait", pauseMs: 0 }]);
    // The server shuts down: within a second, all over it.
    expect(after(1001, half)).toEqual([{ type: "wait", pauseMs: 500 }]);
    // Too many connections: not soon.
    expect(after(1013, () => 0)).toEqual([{ type: "wait", pauseMs: 15_000 }]);
  });

  test.each([
    [4403, "DEVICE_REMOVED"],
    [4409, "REPLACED"],
  ])("%s is final: %s", (closeCode, code) => {
    const machine = machineIn("online");
    expect(machine.handle(lost(closeCode)).at(-1)).toMatchObject({ type: "end", error: { code } });
  });

  test.each([
    ["TOKEN_EXPIRED", "SIGNED_OUT"],
    ["TOKEN_DEVICE_REMOVED", "DEVICE_REMOVED"],
  ] as const)("after 4401 a check that says %s is final: %s", (refusal, code) => {
    const effects = machineIn("checking").handle({ type: "token_checked", error: makeError(refusal) });
    expect(effects).toMatchObject([{ type: "end", error: { code } }]);
  });

  test("pauses grow with full jitter to half a minute, and are short again once something has come", () => {
    const machine = machineIn("connecting", nearlyOne);
    const pauses: number[] = [];
    for (let round = 0; round < 12; round++) {
      for (const effect of machine.handle(lost())) if (effect.type === "wait") pauses.push(effect.pauseMs);
      machine.handle({ type: "retry_due" });
      machine.handle({ type: "opened" });
    }
    expect(pauses.map((pause) => Math.round(pause))).toEqual([
      250,
      500,
      1_000,
      2_000,
      4_000,
      8_000,
      16_000,
      ...Array.from({ length: 5 }, () => 30_000),
    ]);
    machine.handle({ type: "progressed" });
    expect(machine.handle(lost())).toEqual([{ type: "wait", pauseMs: 249.999_75 }]);
  });

  test("whatever comes in whatever order, the invariants of SPEC.md hold", () => {
    const code = fc.constantFrom(undefined, 1001, 1006, 1008, 1009, 1011, 1013, 4401, 4403, 4408, 4409);
    const refusal = fc.constantFrom(undefined, "TOKEN_INVALID" as const, "TOKEN_DEVICE_REMOVED" as const);
    const input = fc.oneof(
      fc.constantFrom<ConnectionInput>(
        { type: "started" },
        { type: "opened" },
        { type: "caught_up" },
        { type: "progressed" },
        { type: "retry_due" },
        { type: "token_refused" },
        { type: "network_up" },
        { type: "doubted" },
      ),
      code.map(lost),
      refusal.map((error): ConnectionInput => ({ type: "token_checked", error: error && makeError(error) })),
      { weight: 1, arbitrary: fc.constant<ConnectionInput>({ type: "ended", error: closed }) },
    );
    const run = fc.array(input, { maxLength: 60 });
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(run, random, (inputs, chance) => {
        const world = new World(() => chance);
        for (const one of inputs) world.feed(one);
      }),
      { numRuns: 2_000 },
    );
  });
});

/** What a performer does with the effects: at most one connection, one timer, one check. */
class World {
  readonly #machine: ConnectionMachine;
  #isConnected = false;
  #isWaiting = false;
  #isChecking = false;
  /** This connection was told to be. */
  #isCaughtUp = false;
  #end: AnySottoError | undefined;

  constructor(random: () => number) {
    this.#machine = new ConnectionMachine(random);
  }

  feed(input: ConnectionInput): void {
    // A performer says only what happened.
    if (input.type === "lost" && !this.#isConnected) return;
    if (input.type === "opened" && this.#machine.state.name !== "connecting") return;
    if (input.type === "retry_due" && !this.#isWaiting) return;
    if (input.type === "token_checked" && !this.#isChecking) return;
    if (input.type === "lost") this.#isConnected = false;
    if (input.type === "retry_due") this.#isWaiting = false;
    if (input.type === "token_checked") this.#isChecking = false;
    if (input.type === "opened") this.#isCaughtUp = false;
    if (input.type === "caught_up" && this.#machine.state.name === "online") this.#isCaughtUp = true;
    const effects = this.#machine.handle(input);
    if (this.#end) expect(effects, "C3: nothing after the end").toEqual([]);
    for (const effect of effects) this.#perform(effect);
    this.#check(input);
  }

  #perform(effect: ConnectionEffect): void {
    switch (effect.type) {
      case "connect":
        expect([this.#isConnected, this.#isWaiting, this.#isChecking], "C1").toEqual([false, false, false]);
        this.#isConnected = true;
        return;
      case "disconnect":
        this.#isConnected = false;
        return;
      case "wait":
        expect(this.#isWaiting, "C1: one timer").toBe(false);
        expect(effect.pauseMs, "C5").toBeGreaterThanOrEqual(0);
        expect(effect.pauseMs, "C5").toBeLessThanOrEqual(30_000);
        this.#isWaiting = true;
        return;
      case "stop_waiting":
        this.#isWaiting = false;
        return;
      case "check_token":
        this.#isChecking = true;
        return;
      case "probe":
        expect(this.#isConnected, "only a connection can be asked").toBe(true);
        return;
      case "end":
        // The call is aborted.
        this.#isChecking = false;
        this.#end = effect.error;
    }
  }

  #check(input: ConnectionInput): void {
    const { state } = this.#machine;
    const going = [this.#isConnected, this.#isWaiting, this.#isChecking].filter(Boolean).length;
    if (state.name === "idle" || state.name === "ended") expect(going, "C2: nothing is left").toBe(0);
    else expect(going, "C2: something will come").toBe(1);
    expect(state.name === "ended", "C3").toBe(this.#end !== undefined);
    if (input.type === "lost" && (input.end.closeCode === 4403 || input.end.closeCode === 4409))
      expect(state.name, "C4").toBe("ended");
    if (input.type === "lost" && input.end.closeCode === 4401) expect(state.name, "C4").toBe("checking");
    if (state.name === "online") expect(state.isCaughtUp, "C6").toBe(this.#isCaughtUp);
  }
}
