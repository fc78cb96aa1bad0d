import { type Bytes, type UserId, userId } from "@sotto/schema";
import type { GetSession } from "./conversations.ts";
import { equalConstantTime } from "./crypto/primitives.ts";
import { type SafetyNumber, computeSafetyNumber } from "./crypto/safety-number.ts";
import { SottoError, invalidInput } from "./errors.ts";
import type { LinkState } from "./identity/own-identity.ts";
import { ownKeyRecord } from "./identity/own-key.ts";
import type { IdentityPin } from "./identity/pins.ts";
import type { Session } from "./session.ts";

interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** What is known of who a user is. */
export interface ContactIdentity {
  userId: UserId;
  /**
   * `signed`: the user's own key says which devices are the user's. `unsigned`: the user has no such key, as with
   * clients of others; each device is known by itself, on the server's word at first sight.
   */
  kind: "signed" | "unsigned";
  /** The safety number was compared, and the identity key is still that one. */
  isVerified: boolean;
  /** `strict`: the user has another identity key, and nothing is sealed to them before `confirm`. */
  isBlocked: boolean;
  /** ms since the epoch: when this identity key was first seen here. Null for `unsigned`. */
  sinceMs: number | null;
}

/**
 * Who is who: one's own identity key, and those of others.
 *
 * @example
 * ```ts
 * if ((await client.identity.state()) === "pending") console.log(await client.devices.link());
 * console.log("linked now:", (await client.identity.check()) === "linked");
 * const { isBlocked, isVerified } = await client.identity.of(peerUserId);
 * if (isBlocked) await client.identity.confirm(peerUserId);
 * const isSame = await client.identity.verifyQr(peerUserId, await askUser());
 * if (isVerified && !isSame) await client.identity.setVerified(peerUserId, false);
 * const isStolen = (await askUser()) === "stolen";
 * if (isStolen) await client.identity.reset();
 * ```
 */
export interface IdentityApi {
  /**
   * Whether the user's device list names this device; asks the server the first time. `pending`: `client.devices.link`
   * shows how to change that. Throws nothing of its own.
   */
  state(options?: CallOptions): Promise<LinkState>;
  /**
   * Asks the server at once whether this device has been approved. Done by itself at each connection. Throws nothing
   * of its own.
   */
  check(options?: CallOptions): Promise<LinkState>;
  /** Asks the server when the user was never met. Throws nothing of its own. */
  of(userId: string, options?: CallOptions): Promise<ContactIdentity>;
  /**
   * What to compare with the user outside of Sotto; null where one of the two has no identity key. For a user who is
   * blocked it is of the new key. Throws nothing of its own.
   *
   * @example
   * ```ts
   * const number = await client.identity.safetyNumber(peerUserId);
   * console.log(number?.digits.match(/.{5}/g)?.join(" "));
   * ```
   */
  safetyNumber(userId: string, options?: CallOptions): Promise<SafetyNumber | null>;
  /**
   * Whether a QR code that was scanned from the user's screen is that of {@link safetyNumber}; then the user is verified.
   * False also for what is no such code. Throws nothing of its own.
   */
  verifyQr(userId: string, qr: string, options?: CallOptions): Promise<boolean>;
  /**
   * Says that the digits were compared, or takes it back. It ends by itself when the user's identity key changes. Throws
   * `IDENTITY_CHANGED` when the key is no longer the one whose {@link safetyNumber} was asked for or scanned last: compare
   * anew.
   */
  setVerified(userId: string, isVerified: boolean, options?: CallOptions): Promise<void>;
  /**
   * `strict`: trusts the new identity key of a user who is blocked. Throws `IDENTITY_CHANGED` as {@link setVerified}
   * does.
   */
  confirm(userId: string): Promise<void>;
  /**
   * Makes a new identity key, with this device alone. For when no other device can approve this one, there is no backup,
   * or a device that could sign was stolen. Everyone who knows the old key is warned. Throws `DEVICE_LIST_CONFLICT` when
   * other devices keep changing the list at the same time.
   */
  reset(options?: CallOptions): Promise<void>;
}

function parseUser(id: string): UserId {
  const parsed = userId.safeParse(id);
  if (!parsed.success) throw invalidInput("userId", parsed.error);
  return parsed.data;
}

/** Undefined: a user without an identity key. */
async function findPin(
  { identities }: Session,
  user: UserId,
  signal?: AbortSignal,
): Promise<IdentityPin | undefined> {
  const known = await identities.pins.get(user);
  if (known) return known;
  await identities.judge(user, await identities.lookUp(user, signal), signal);
  return identities.pins.get(user);
}

/** The key that the user has now, confirmed or not. */
const presentUik = ({ uik, unconfirmed }: IdentityPin) => unconfirmed?.uik ?? uik;

interface KeyNumber {
  number: SafetyNumber;
  /** The user's key that it is of. */
  uik: Bytes;
}

async function numberOf(session: Session, user: UserId, signal?: AbortSignal): Promise<KeyNumber | null> {
  const [pin, own] = [await findPin(session, user, signal), await ownKeyRecord.get(session.store)];
  if (!pin || !own) return null;
  const uik = presentUik(pin);
  const number = await computeSafetyNumber(
    { userId: session.me.userId, uik: own.uik },
    { userId: user, uik },
  );
  return { number, uik };
}

/** Whose number, as seen by whom: who has signed out is another device at the next sign-in, and has compared nothing yet. */
const placeOf = ({ me }: Session, user: UserId) => `${me.deviceId}/${user}`;

/** `client.identity` */
export function createIdentity(getSession: GetSession): IdentityApi {
  /** The keys whose numbers were shown, or scanned: what the user says of a number is about these. */
  const shown = new Map<string, Bytes>();
  const requireShown = (session: Session, user: UserId, pin: IdentityPin): Bytes => {
    const uik = presentUik(pin);
    if (equalConstantTime(shown.get(placeOf(session, user)) ?? uik, uik)) return uik;
    throw new SottoError("IDENTITY_CHANGED", { details: { userId: user } });
  };
  return {
    state: async ({ signal } = {}) => (await getSession()).session.identity.ready(signal),
    async check({ signal } = {}) {
      const { identity } = (await getSession()).session;
      await identity.check(signal);
      return identity.state;
    },
    async of(id, { signal } = {}) {
      const user = parseUser(id);
      const pin = await findPin((await getSession()).session, user, signal);
      return {
        userId: user,
        kind: pin ? "signed" : "unsigned",
        isVerified: !!pin?.verifiedUik && equalConstantTime(pin.verifiedUik, presentUik(pin)),
        isBlocked: !!pin?.unconfirmed,
        sinceMs: pin?.sinceMs ?? null,
      };
    },
    async safetyNumber(id, { signal } = {}) {
      const user = parseUser(id);
      const { session } = await getSession();
      const found = await numberOf(session, user, signal);
      if (found) shown.set(placeOf(session, user), found.uik);
      return found && found.number;
    },
    async verifyQr(id, qr, { signal } = {}) {
      const user = parseUser(id);
      const { session } = await getSession();
      const found = await numberOf(session, user, signal);
      if (found?.number.qr !== qr.trim()) return false;
      shown.set(placeOf(session, user), found.uik);
      await session.identities.pins.update(user, (pin) => pin && { ...pin, verifiedUik: found.uik });
      return true;
    },
    async setVerified(id, isVerified, { signal } = {}) {
      const user = parseUser(id);
      const { session } = await getSession();
      await findPin(session, user, signal);
      await session.identities.pins.update(
        user,
        (pin) => pin && { ...pin, verifiedUik: isVerified ? requireShown(session, user, pin) : null },
      );
    },
    async confirm(id) {
      const user = parseUser(id);
      const { session } = await getSession();
      await session.identities.confirm(user, (pin) => void requireShown(session, user, pin));
      await session.tell({ type: "devices", userId: user });
    },
    async reset({ signal } = {}) {
      const { session } = await getSession();
      await session.identity.reset(signal);
    },
  };
}
