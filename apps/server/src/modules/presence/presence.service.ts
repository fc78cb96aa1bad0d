import type { Presence, UserId } from "@sotto/schema";
import type { App } from "../../app.ts";
import { findLastSeen, updateLastSeen } from "../accounts/users.service.ts";
import { isBlockBetween } from "../blocks/blocks.service.ts";
import type { Call } from "../../pipeline/call.ts";

/**
 * Whether the user holds a socket anywhere. An unknown user is offline and was never seen, and so
 * is one with whom a block stands.
 */
export async function getPresence(call: Call, userId: UserId): Promise<Presence> {
  const { db } = call.app;
  const user = await findLastSeen(db, userId);
  if (!user || (await isBlockBetween(db, call.caller.userId, userId)))
    return { userId, online: false, lastSeen: null };
  return {
    userId,
    online: await call.app.presence.isOnline(userId),
    lastSeen: user.last_seen_at?.toISOString() ?? null,
  };
}

export async function ping(call: Call): Promise<Presence> {
  const { userId } = call.caller;
  await updateLastSeen(call.app.db, [{ id: userId, at: call.app.now() }]);
  return getPresence(call, userId);
}

/** Follows the hub: who comes and goes is told to the presence store, and `last_seen` is kept. */
export function trackPresence(app: App): void {
  app.hub.onUser((userId, isConnected) => {
    if (isConnected) app.presence.connected(userId);
    else app.presence.disconnected(userId);
    app.lastSeen.user(userId, app.now());
  });
  app.hub.onDevice((userId, deviceId, isConnected) => {
    if (isConnected) app.presence.deviceConnected(userId, deviceId);
    else app.presence.deviceDisconnected(userId, deviceId);
  });
}
