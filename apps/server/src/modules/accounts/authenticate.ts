import type { App } from "../../app.ts";
import { AppError } from "../../errors.ts";
import type { Caller } from "../../pipeline/call.ts";
import { updatePinSeen } from "./pins.queries.ts";
import { findSession } from "./sessions.queries.ts";

const maxTokenChars = 4096;
/** How exactly it is kept when an account with a PIN was last in use. */
const seenStepMs = 86_400_000;

/**
 * The caller of a bearer token. Throws `NOT_AUTHENTICATED` without one, `TOKEN_EXPIRED`,
 * `TOKEN_DEVICE_REMOVED`, or `TOKEN_INVALID` for one that is forged, ended, or of no known session.
 */
export async function authenticate(app: App, token: string | undefined): Promise<Caller> {
  if (!token) throw new AppError("NOT_AUTHENTICATED");
  if (token.length > maxTokenChars) throw new AppError("TOKEN_INVALID");
  const now = app.now();
  const cached = app.sessions.find(token, now);
  if (cached) {
    if (cached.expiresAt <= now.getTime()) throw new AppError("TOKEN_EXPIRED");
    return cached;
  }
  const claims = await app.tokens.verify(token, now);
  const session = await findSession(app.db, claims.sessionId);
  if (session?.end_reason === "device_removed") throw new AppError("TOKEN_DEVICE_REMOVED");
  if (!session || session.end_reason || session.user_id !== claims.userId)
    throw new AppError("TOKEN_INVALID");
  if (session.pin_seen_at && now.getTime() - session.pin_seen_at.getTime() >= seenStepMs) {
    await updatePinSeen(app.db, claims.userId, now);
  }
  const caller = { ...claims, deviceId: session.device_id };
  app.sessions.put(token, caller, now);
  return caller;
}
