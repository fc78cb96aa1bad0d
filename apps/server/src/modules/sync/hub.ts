import type { DeviceId, Signal, UserId } from "@sotto/schema";
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
/** The longest delay that a timer takes. */
const maxTimerMs = 2 ** 31 - 1;

/** One authenticated socket. */
export interface Connection {
  /** UUIDv7: of two connections the newer has the greater id. */
  id: string;
  userId: UserId;
  sessionId: SessionId;
  /** The device that the token had published when it connected. */
  deviceId: DeviceId | null;
  expiresAt: number;
  close(code: number, reason: string): void;
}

interface Registered extends Connection {
  feeds: readonly Feed[];
  /** The device whose positions this connection resumes from. */
  resumingDevice: DeviceId | null;
  expiry: NodeJS.Timeout | undefined;
}

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
    const siblings = this.#users.get(connection.userId) ?? [];
    if (siblings.length >= maxConnectionsPerUser) return false;
    const registered: Registered = {
      ...connection,
      feeds: [],
      resumingDevice: null,
      expiry: undefined,
    };
    this.#watchExpiry(registered);
    this.#tellDevice(registered, siblings, true);
    include(this.#users, connection.userId, registered);
    this.#connections.set(connection.id, registered);
    include(this.#sessions, connection.sessionId, registered);
    if (siblings.length === 0) this.#userListener(connection.userId, true);
    return true;
  }

  remove(connectionId: string): void {
    const connection = this.#connections.get(connectionId);
    if (!connection) return;
    clearTimeout(connection.expiry);
    this.#connections.delete(connectionId);
    exclude(this.#sessions, connection.sessionId, connection);
    exclude(this.#users, connection.userId, connection);
    const siblings = this.#users.get(connection.userId) ?? [];
    this.#tellDevice(connection, siblings, false);
    if (siblings.length === 0) this.#userListener(connection.userId, false);
  }

  /** Lets a feed hear what is published for the connection's user. */
  attach(connectionId: string, feed: Feed): void {
    const connection = this.#connections.get(connectionId);
    if (connection) connection.feeds = [...connection.feeds, feed];
  }

  detach(connectionId: string, feed: Feed): void {
    const connection = this.#connections.get(connectionId);
    if (connection) connection.feeds = connection.feeds.filter((other) => other !== feed);
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
    const connection = this.#connections.get(connectionId);
    if (connection) connection.resumingDevice = deviceId;
  }

  /** Closes the device's older resuming connections: positions have one reader, the newest. */
  replaceDevice(userId: UserId, deviceId: string, byConnectionId: string): void {
    for (const connection of this.#users.get(userId) ?? []) {
      if (connection.resumingDevice === deviceId && connection.id < byConnectionId) {
        connection.close(closeCodes.replaced, "replaced by a newer connection");
      }
    }
  }

  closeSession(sessionId: SessionId, end: SessionEnd): void {
    for (const connection of this.#sessions.get(sessionId) ?? []) {
      if (end === "device_removed") connection.close(closeCodes.deviceRemoved, "device removed");
      else connection.close(closeCodes.token, "session ended");
    }
  }

  closeAll(): void {
    for (const connection of this.#connections.values()) {
      connection.close(closeCodes.shutdown, "server shutting down");
    }
  }

  users(): UserId[] {
    return [...this.#users.keys()];
  }

  feedsOf(userId: UserId): Feed[] {
    return [...(this.#users.get(userId) ?? [])].flatMap(({ feeds }) => feeds);
  }

  #tellDevice({ userId, deviceId }: Registered, others: Iterable<Registered>, isConnected: boolean): void {
    if (deviceId === null) return;
    for (const other of others) if (other.deviceId === deviceId) return;
    this.#deviceListener(userId, deviceId, isConnected);
  }

  /** Closes the connection when its token has expired; a timer takes at most 24.8 days, so it may be set again. */
  #watchExpiry(connection: Registered): void {
    const leftMs = connection.expiresAt - this.#now().getTime();
    connection.expiry = setTimeout(
      () => {
        if (leftMs > maxTimerMs) this.#watchExpiry(connection);
        else connection.close(closeCodes.token, "token expired");
      },
      Math.min(Math.max(leftMs, 0), maxTimerMs),
    );
  }
}

function include<Key>(lists: Map<Key, readonly Registered[]>, key: Key, connection: Registered): void {
  lists.set(key, [...(lists.get(key) ?? []), connection]);
}

function exclude<Key>(lists: Map<Key, readonly Registered[]>, key: Key, connection: Registered): void {
  const left = (lists.get(key) ?? []).filter((other) => other !== connection);
  if (left.length > 0) lists.set(key, left);
  else lists.delete(key);
}
