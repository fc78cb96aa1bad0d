import type { DeviceId, Signal, UserId } from "@sotto/schema";
import type { Caller } from "../../pipeline/call.ts";
import type { SessionEnd, SessionId } from "../accounts/accounts.tables.ts";
import type { LogEntry } from "../logs/entries.ts";
import type { Feed } from "./feed.ts";
import type { Resolved } from "./rosters.ts";

export const closeCodes = {
  shutdown: 1001,
  tooManyFrames: 1008,
  failed: 1011,
  tryLater: 1013,
  token: 4401,
  deviceRemoved: 4403,
  tooSlow: 4408,
  replaced: 4409,
} as const;

const maxConnectionsPerUser = 64;

/** One authenticated socket. */
export interface Connection {
  /** UUIDv7: of two connections the newer has the greater id. */
  connectionId: string;
  /** Of the token, with the device that it had published when it connected. */
  caller: Caller;
  close(code: number, reason: string): void;
}

interface Registered {
  connection: Connection;
  feeds: readonly Feed[];
  /** The device whose positions this connection resumes from. */
  resumingDevice: DeviceId | null;
}

/** What most connections have at first, and again at the end. */
const noFeeds: readonly Feed[] = [];

/** The sockets of this process, by user. */
export class Hub {
  // Nearly all have one: an array of one takes a tenth of the memory of a Set.
  readonly #users = new Map<UserId, readonly Registered[]>();
  readonly #connections = new Map<string, Registered>();
  readonly #sessions = new Map<SessionId, readonly Registered[]>();
  readonly #now: () => Date;
  #userListener: (userId: UserId, isConnected: boolean) => void = () => {};
  #deviceListener: (userId: UserId, deviceId: DeviceId, isConnected: boolean) => void = () => {};

  constructor(options: { now: () => Date }) {
    this.#now = options.now;
  }

  /** Called when a user's first socket opens and when the last one closes. */
  onUser(listener: (userId: UserId, isConnected: boolean) => void): void {
    this.#userListener = listener;
  }

  /** Called when a device's first socket opens and when the last one closes. */
  onDevice(listener: (userId: UserId, deviceId: DeviceId, isConnected: boolean) => void): void {
    this.#deviceListener = listener;
  }

  /** Takes a socket in; false when the user holds too many. */
  add(connection: Connection): boolean {
    const { userId, sessionId } = connection.caller;
    const siblings = this.#users.get(userId) ?? [];
    if (siblings.length >= maxConnectionsPerUser) return false;
    const registered: Registered = { connection, feeds: noFeeds, resumingDevice: null };
    this.#tellDevice(registered, siblings, true);
    include(this.#users, userId, registered);
    this.#connections.set(connection.connectionId, registered);
    include(this.#sessions, sessionId, registered);
    if (siblings.length === 0) this.#userListener(userId, true);
    return true;
  }

  remove(connectionId: string): void {
    const registered = this.#connections.get(connectionId);
    if (!registered) return;
    const { userId, sessionId } = registered.connection.caller;
    this.#connections.delete(connectionId);
    exclude(this.#sessions, sessionId, registered);
    exclude(this.#users, userId, registered);
    const siblings = this.#users.get(userId) ?? [];
    this.#tellDevice(registered, siblings, false);
    if (siblings.length === 0) this.#userListener(userId, false);
  }

  /** Lets a feed hear what is published for the connection's user. */
  attach(connectionId: string, feed: Feed): void {
    const registered = this.#connections.get(connectionId);
    if (registered) registered.feeds = [...registered.feeds, feed];
  }

  detach(connectionId: string, feed: Feed): void {
    const registered = this.#connections.get(connectionId);
    if (registered) registered.feeds = registered.feeds.filter((other) => other !== feed);
  }

  publish(entry: LogEntry, audience: Resolved): void {
    const tell = (connections: Iterable<Registered>): void => {
      for (const { feeds } of connections) for (const feed of feeds) feed.hear(entry);
    };
    // Of a large group perhaps nobody is here.
    if (audience instanceof Set && this.#users.size < audience.size) {
      for (const [userId, connections] of this.#users) if (audience.has(userId)) tell(connections);
    } else for (const userId of audience) tell(this.#users.get(userId) ?? []);
  }

  /** Tells the users' sockets of something that is kept nowhere. */
  signal(signal: Signal, audience: readonly UserId[]): void {
    for (const userId of audience) for (const feed of this.feedsOf(userId)) feed.signal(signal);
  }

  /** Notes that the connection resumes for a device. */
  resumeDevice(connectionId: string, deviceId: DeviceId): void {
    const registered = this.#connections.get(connectionId);
    if (registered) registered.resumingDevice = deviceId;
  }

  /** Closes the device's older resuming connections: positions have one reader, the newest. */
  replaceDevice(userId: UserId, deviceId: string, byConnectionId: string): void {
    for (const { connection, resumingDevice } of this.#users.get(userId) ?? []) {
      if (resumingDevice === deviceId && connection.connectionId < byConnectionId) {
        connection.close(closeCodes.replaced, "replaced by a newer connection");
      }
    }
  }

  closeSession(sessionId: SessionId, end: SessionEnd): void {
    for (const { connection } of this.#sessions.get(sessionId) ?? []) {
      if (end === "device_removed") connection.close(closeCodes.deviceRemoved, "device removed");
      else connection.close(closeCodes.token, "session ended");
    }
  }

  closeExpired(): void {
    const now = this.#now().getTime();
    for (const { connection } of this.#connections.values()) {
      if (connection.caller.expiresAt <= now) connection.close(closeCodes.token, "token expired");
    }
  }

  closeAll(): void {
    for (const { connection } of this.#connections.values()) {
      connection.close(closeCodes.shutdown, "server shutting down");
    }
  }

  users(): UserId[] {
    return [...this.#users.keys()];
  }

  feedsOf(userId: UserId): Feed[] {
    return [...(this.#users.get(userId) ?? [])].flatMap(({ feeds }) => feeds);
  }

  #tellDevice({ connection }: Registered, others: Iterable<Registered>, isConnected: boolean): void {
    const { userId, deviceId } = connection.caller;
    if (deviceId === null) return;
    for (const other of others) if (other.connection.caller.deviceId === deviceId) return;
    this.#deviceListener(userId, deviceId, isConnected);
  }
}

const expiryPeriodMs = 1_000;

/** Closes sockets whose token has expired: one timer for all, since each would take a third of a kilobyte. */
export function watchExpiry(hub: Hub): Disposable {
  const timer = setInterval(() => hub.closeExpired(), expiryPeriodMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function include<Key>(lists: Map<Key, readonly Registered[]>, key: Key, connection: Registered): void {
  lists.set(key, [...(lists.get(key) ?? []), connection]);
}

function exclude<Key>(lists: Map<Key, readonly Registered[]>, key: Key, connection: Registered): void {
  const left = (lists.get(key) ?? []).filter((other) => other !== connection);
  if (left.length > 0) lists.set(key, left);
  else lists.delete(key);
}
