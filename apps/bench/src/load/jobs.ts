import { deliver } from "./deliver.ts";
import { send } from "./send.ts";

/** What a load process can be told to do. */
export const jobs = { deliver, send };
export type Jobs = typeof jobs;
