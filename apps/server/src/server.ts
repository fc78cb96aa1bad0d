import { randomUUIDv7 } from "node:crypto";
import type { AddressInfo } from "node:net";
import type { Server } from "node:http";
import type { App } from "./app.ts";
import type { Bus, Wake } from "./bus/bus.ts";
import { createLocalBus } from "./bus/local-bus.ts";
import type { Config } from "./config.ts";
import { Gate } from "./db/gate.ts";
import { openDatabase } from "./db/db.ts";
import { migrate } from "./db/migrate.ts";
import type { Log } from "./log.ts";
import { startMaintenance } from "./maintenance.ts";
import { createMetrics } from "./metrics.ts";
import { createOtpSender } from "./modules/accounts/otp-sender.ts";
import { SessionCache } from "./modules/accounts/session-cache.ts";
import { applySessionChange, watchSessions } from "./modules/accounts/session-watch.ts";
import { createTokens } from "./modules/accounts/tokens.ts";
import { openBlobStores } from "./modules/blobs/blob-store.ts";
import { startOutgoing } from "./modules/outgoing/outgoing.service.ts";
import { LastSeen } from "./modules/presence/last-seen.ts";
import { createLocalPresence, createRedisPresence } from "./modules/presence/presence-store.ts";
import { trackPresence } from "./modules/presence/presence.service.ts";
import { listRoster } from "./modules/conversations/conversations.service.ts";
import { SendLane } from "./modules/messages/send-lane.ts";
import { laneSettings } from "./modules/messages/send-batch.queries.ts";
import { Hub, watchExpiry } from "./modules/sync/hub.ts";
import { startReconciler } from "./modules/sync/reconciler.ts";
import { Rosters } from "./modules/sync/rosters.ts";
import { createLimits } from "./pipeline/limits.ts";
import { announce } from "./pipeline/transact.ts";
import { PortTakenError } from "./port-taken-error.ts";
import { createHttpServer, type HttpServer } from "./transport/http-server.ts";

/** How long requests and sockets are given to end by themselves at shutdown. */
const drainMs = 3_000;
/** Clients that come back at once are not to be cut before they are taken in; the kernel may set less. */
const listenBacklog = 4_096;

export interface ServerOptions {
  /** With `DB_URL` set. */
  config: Config & { DB_URL: string };
  log: Log;
  now?: () => Date;
  /** Stands between the transactions and the sockets; tests lose wakes here. */
  wrapBus?: (bus: Bus) => Bus;
}

export interface RunningServer extends AsyncDisposable {
  /** `http://host:port` */
  url: string;
  app: App;
}

/** Joins the parts and listens. Disposing of the result drains sockets and requests, then lets go of everything. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { config, log } = options;
  await using cleanup = new AsyncDisposableStack();

  const onError = (error: Error): void => log.warn({ err: error }, "a database connection broke");
  const database = cleanup.use(
    openDatabase({ url: config.DB_URL, maxConnections: config.DB_POOL_SIZE, onError }),
  );
  const sendDatabase = cleanup.use(
    openDatabase({ url: config.DB_URL, maxConnections: 1, settings: laneSettings, onError }),
  );
  await migrate(database.db);
  // A single process neither needs Redis nor waits for its client to load.
  const redisBus = config.REDIS_URL ? await import("./bus/redis-bus.ts") : undefined;
  const redis = config.REDIS_URL && redisBus ? redisBus.connectRedis(config.REDIS_URL, log) : undefined;
  if (redis) cleanup.defer(() => redis.disconnect());
  const carrier = redis && redisBus ? redisBus.createRedisBus({ redis, log }) : createLocalBus();
  const bus = cleanup.use(options.wrapBus?.(carrier) ?? carrier);
  const now = options.now ?? (() => new Date());
  const rosters = new Rosters((id, rosterSeq) => listRoster(database.db, id, rosterSeq));
  const presence = cleanup.use(redis ? createRedisPresence(redis) : createLocalPresence());
  const outgoing = cleanup.use(
    await startOutgoing({ config, db: database.db, rosters, presence, redis, log, now, newId }),
  );

  const app: App = {
    config,
    db: database.db,
    socketReads: new Gate(Math.floor(config.DB_POOL_SIZE / 2)),
    bus,
    hub: new Hub({ now }),
    rosters,
    tokens: await createTokens(config.JWT_SECRET),
    sessions: new SessionCache(),
    blobs: await openBlobStores(config, database.db),
    presence,
    lastSeen: cleanup.use(new LastSeen({ db: database.db, log })),
    limits: createLimits(config, redis),
    otpSender: createOtpSender(config),
    outgoing,
    sendLane: new SendLane({
      db: sendDatabase.db,
      now,
      outgoing,
      announce: (wakes, events) => {
        app.metrics.sendCommits.inc();
        announce(app, wakes, events);
      },
    }),
    metrics: createMetrics(),
    log,
    now,
    newId,
  };
  listenToBus(app);
  trackPresence(app);
  cleanup.use(watchSessions(app));
  cleanup.use(watchExpiry(app.hub));
  cleanup.use(startReconciler(app));
  cleanup.use(startMaintenance(app));

  const http = createHttpServer(app);
  const port = await listen(http.server, config);
  cleanup.defer(() => drain(app, http));
  const owned = cleanup.move();
  return {
    url: `http://${config.APP_HOST === "0.0.0.0" ? "127.0.0.1" : config.APP_HOST}:${port}`,
    app,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** UUIDv7; the kind of id is what the caller names it. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the one place where ids get their brand
function newId<Id extends string>(): Id {
  return randomUUIDv7() as unknown as Id;
}

function listenToBus(app: App): void {
  app.bus.onWake((wake) => {
    switch (wake.kind) {
      case "entry":
        return publishEntry(app, wake);
      case "signal":
        return app.hub.signal(wake.signal, wake.audience);
      case "session_changed":
        return applySessionChange(app, wake);
      case "device_connected":
        return app.hub.replaceDevice(wake.userId, wake.deviceId, wake.connectionId);
    }
  });
}

function publishEntry(app: App, { entry, audience }: Extract<Wake, { kind: "entry" }>): void {
  const users = app.rosters.resolve(audience);
  if (!(users instanceof Promise)) return app.hub.publish(entry, users);
  users.then(
    (resolved) => app.hub.publish(entry, resolved),
    // The reconciler finds what is missed here.
    (error: unknown) => app.log.warn({ err: error }, "reading a group's members failed"),
  );
}

function listen(server: Server, config: Config): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(error.code === "EADDRINUSE" ? new PortTakenError(config.APP_PORT) : error);
    });
    server.listen({ port: config.APP_PORT, host: config.APP_HOST, backlog: listenBacklog }, () => {
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** Stops accepting, closes the sockets with 1001, lets requests finish for a while, then cuts. */
async function drain(app: App, { server, cut }: HttpServer): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  app.hub.closeAll();
  server.closeIdleConnections();
  const timer = setTimeout(cut, drainMs);
  await closed;
  clearTimeout(timer);
}
