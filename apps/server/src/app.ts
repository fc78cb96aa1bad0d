import type { Bus } from "./bus/bus.ts";
import type { Config } from "./config.ts";
import type { Db } from "./db/db.ts";
import type { Gate } from "./db/gate.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { SessionCache } from "./modules/accounts/session-cache.ts";
import type { Tokens } from "./modules/accounts/tokens.ts";
import type { Outgoing } from "./modules/outgoing/outgoing.service.ts";
import type { OtpSender } from "./modules/accounts/otp-sender.ts";
import type { BlobStores } from "./modules/blobs/blob-store.ts";
import type { LastSeen } from "./modules/presence/last-seen.ts";
import type { PresenceStore } from "./modules/presence/presence-store.ts";
import type { SendLane } from "./modules/messages/send-lane.ts";
import type { Hub } from "./modules/sync/hub.ts";
import type { Rosters } from "./modules/sync/rosters.ts";
import type { Limits } from "./pipeline/limits.ts";

/** What procedures read. Clock and ids are passed in, so that tests can set them. */
export interface App {
  config: Config;
  db: Db;
  /** What sockets read: thousands that come back at once must not take the connections from all other calls. */
  socketReads: Gate;
  bus: Bus;
  hub: Hub;
  rosters: Rosters;
  tokens: Tokens;
  sessions: SessionCache;
  presence: PresenceStore;
  lastSeen: LastSeen;
  blobs: BlobStores;
  limits: Limits;
  otpSender: OtpSender;
  outgoing: Outgoing;
  sendLane: SendLane;
  metrics: Metrics;
  log: Log;
  /** The present time. */
  now: () => Date;
  /** A new UUIDv7. Those of one millisecond come in no order. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the one place where ids get their brand
  newId: <Id extends string>() => Id;
}
