import type { Scenario } from "./scenario.ts";
import { bytes } from "./scenarios/bytes.ts";
import { catchUp } from "./scenarios/catch-up.ts";
import { coldStart } from "./scenarios/cold-start.ts";
import { deliver } from "./scenarios/deliver.ts";
import { fanOut } from "./scenarios/fan-out.ts";
import { idle } from "./scenarios/idle.ts";
import { reads } from "./scenarios/reads.ts";
import { sdk } from "./scenarios/sdk.ts";
import { send } from "./scenarios/send.ts";
import { soak } from "./scenarios/soak.ts";
import { storm } from "./scenarios/storm.ts";

/** All of them, in the order in which they run. */
export const scenarios: readonly Scenario[] = [
  send,
  deliver,
  fanOut,
  idle,
  storm,
  reads,
  catchUp,
  bytes,
  coldStart,
  sdk,
  soak,
];
