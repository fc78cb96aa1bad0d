import { catchUp } from "./catch-up.ts";
import { deliver } from "./deliver.ts";
import { fanOut } from "./fan-out.ts";
import { read } from "./read.ts";
import { sdkPlain, sdkSealed } from "./sdk.ts";
import { send } from "./send.ts";
import { soakReaders, soakReport, soakSend } from "./soak.ts";
import { closeSockets, openSockets } from "./sockets.ts";

/** What a load process can be told to do. */
export const jobs = {
  catchUp,
  closeSockets,
  deliver,
  fanOut,
  openSockets,
  read,
  sdkPlain,
  sdkSealed,
  send,
  soakReaders,
  soakReport,
  soakSend,
};
export type Jobs = typeof jobs;
