import fc from "fast-check";

/** Numbers choose among what there is when the command runs: each one fits every state. */
export type Command =
  | { kind: "send"; from: number; to: number; isRetried: boolean; isAwaited: boolean }
  | { kind: "cut" | "loseAnswer" | "doubleRequest" | "boot" | "stop"; device: number }
  | { kind: "crash"; device: number; commit: number; when: "before" | "after" }
  | { kind: "dropWakes"; count: number }
  | { kind: "addDevice" | "toggleMember"; user: number }
  | { kind: "removeDevice"; device: number }
  | { kind: "pause"; ms: number };

const choice = fc.nat({ max: 999 });
const device = choice;

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      from: choice,
      to: choice,
      isRetried: fc.boolean(),
      isAwaited: fc.boolean(),
    }),
  },
  {
    weight: 7,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "cut" as const,
        "loseAnswer" as const,
        "doubleRequest" as const,
        "boot" as const,
        "stop" as const,
      ),
      device,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("crash" as const),
      device,
      commit: fc.integer({ min: 1, max: 8 }),
      when: fc.constantFrom("before" as const, "after" as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("dropWakes" as const),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("addDevice" as const, "toggleMember" as const, "toggleMember" as const),
      user: choice,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("removeDevice" as const), device }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("pause" as const), ms: fc.nat({ max: 40 }) }) },
);

/** A run: how many devices each user has at first, and what happens then. */
export const story = fc.record({
  devices: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: 3, maxLength: 4 }),
  commands: fc.array(command, { minLength: 10, maxLength: 40, size: "max" }),
});
export type Story = typeof story extends fc.Arbitrary<infer Value> ? Value : never;
