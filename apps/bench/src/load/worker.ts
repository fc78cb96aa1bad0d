// A process that makes load: does the jobs that it is told over IPC, one at a time.
import { jobs, type Jobs } from "./jobs.ts";

export interface Order {
  job: keyof Jobs;
  id: number;
  input: unknown;
}

export type Outcome = { id: number; result: unknown } | { id: number; error: string };

// The parent takes name and input from the same table.
const run = (order: Order): Promise<unknown> =>
  (jobs[order.job] as (input: unknown) => Promise<unknown>)(order.input);

process.on("message", (order: Order) => {
  if (!("job" in order)) return;
  run(order).then(
    (result) => process.send?.({ id: order.id, result } satisfies Outcome),
    (error: unknown) =>
      process.send?.({ id: order.id, error: error instanceof Error ? (error.stack ?? "") : String(error) }),
  );
});
process.send?.("ready");
process.channel?.ref();
