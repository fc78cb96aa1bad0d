import { createHash } from "node:crypto";
import {
  currentBundleKeys,
  kidFromSha256,
  parseDevicePublicKey,
  parseSealedBody,
  parseWrapKeyId,
  rosterBytes,
  SealedFormatError,
  type ConversationId,
  type DeviceId,
  type Recipient,
  type UserId,
} from "@sotto/schema";
import { AppError } from "../../errors.ts";
import { deviceKey } from "../logs/entries.ts";

interface KnownDevice {
  user_id: UserId;
  device_id: DeviceId;
  public_key: string;
}

interface SealedSend {
  conversationId: ConversationId;
  senderUserId: UserId;
  senderDeviceId: DeviceId;
  clientMessageId: string | null;
  ciphertext: string;
  recipients: Recipient[];
  /** The newest signed list of each user whose list is the reason for an empty wrap. */
  listVersions: ReadonlyMap<UserId, number>;
  now: Date;
}

/**
 * Checks that there is exactly one wrap for every current device of both users but the sending
 * one, each sealed to a key that the device still publishes. Throws `DEVICE_LIST_STALE` with the
 * difference. Gives the wraps as the message's row holds them.
 */
export function requireCurrentDevices(send: SealedSend, devices: KnownDevice[]): Record<string, string> {
  const expected = new Map(
    devices
      .filter((device) => !(device.user_id === send.senderUserId && device.device_id === send.senderDeviceId))
      .map((device) => [deviceKey(device.user_id, device.device_id), device]),
  );
  const wraps: Record<string, string> = {};
  const extra: { userId: UserId; deviceId: DeviceId }[] = [];
  const outdated: { userId: UserId; deviceId: DeviceId }[] = [];
  for (const { userId, deviceId, wrap, listVersion } of send.recipients) {
    const key = deviceKey(userId, deviceId);
    const device = expected.get(key);
    if (!device || Object.hasOwn(wraps, key)) extra.push({ userId, deviceId });
    else if (
      isOutdated(wrap, device.public_key, send.now) ||
      (listVersion ?? send.listVersions.get(userId)) !== send.listVersions.get(userId)
    ) {
      outdated.push({ userId, deviceId });
    }
    wraps[key] = wrap;
  }
  const missing = [...expected]
    .filter(([key]) => !Object.hasOwn(wraps, key))
    .map(([, device]) => ({ userId: device.user_id, deviceId: device.device_id }));
  if (missing.length + extra.length + outdated.length > 0) {
    throw new AppError("DEVICE_LIST_STALE", { missing, extra, outdated });
  }
  return wraps;
}

/** A wrap of another format, or for a key of another format, is not ours to judge. */
function isOutdated(wrap: string, publicKey: string, now: Date): boolean {
  const sealedTo = parseWrapKeyId(wrap);
  const key = parseDevicePublicKey(publicKey);
  if (!sealedTo || key.kind === "unusable") return false;
  if (key.kind === "bare") return sealedTo.kid !== kidFromSha256(sha256(key.publicKey));
  const current = currentBundleKeys(key.bundle, now.getTime()).keys;
  return !current.some(({ kid, kemId }) => kid === sealedTo.kid && kemId === sealedTo.kemId);
}

/**
 * Holds the visible header of a `sealed/v1` body (docs/PROTOCOL.md) against the request. Throws
 * `ENVELOPE_REFUSED` naming the field. A body of another format is opaque and passes.
 */
export function requireMatchingHeader(send: SealedSend, devices: KnownDevice[]): void {
  const header = parseHeader(send.ciphertext);
  if (!header) return;
  const expectations: [field: string, isMet: boolean][] = [
    ["conversation_id", header.conversationId === send.conversationId],
    ["sender_user_id", header.senderUserId === send.senderUserId],
    ["sender_device_id", header.senderDeviceId === send.senderDeviceId],
    ["message_id", header.messageId === send.clientMessageId],
    ["roster_hash", hashRoster(devices).equals(header.rosterHash)],
  ];
  const broken = expectations.find(([, isMet]) => !isMet);
  if (broken) throw new AppError("ENVELOPE_REFUSED", { field: broken[0] });
}

function parseHeader(ciphertext: string) {
  try {
    return parseSealedBody(ciphertext)?.header;
  } catch (error) {
    if (error instanceof SealedFormatError) throw new AppError("ENVELOPE_REFUSED", { field: "ciphertext" });
    throw error;
  }
}

function hashRoster(devices: KnownDevice[]): Buffer {
  const roster = devices.map((device) => ({ userId: device.user_id, deviceId: device.device_id }));
  return sha256(rosterBytes(roster));
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}
