import type { Scenario } from "./scenario.ts";
import { deliver } from "./scenarios/deliver.ts";
import { send } from "./scenarios/send.ts";

/** All of them, in the order in which they run. */
export const scenarios: readonly Scenario[] = [send, deliver];
