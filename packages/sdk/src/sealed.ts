/**
 * `@sotto/sdk/sealed`: the sealed envelope alone, without sync, storage or transport.
 * Stateless, MIT, WebCrypto (and JavaScript for X-Wing where that has no ML-KEM): browsers, workers, Node 20 and later. Format: `sealed/v1`.
 *
 * @example
 * ```ts
 * import { generateDeviceKeys, makePublicKey, openEnvelope, sealEnvelope, verifyDevicePublicKey } from "@sotto/sdk/sealed";
 *
 * const now = Date.now();
 * const [conversationId, messageId] = [crypto.randomUUID(), crypto.randomUUID()];
 * const newDevice = () =>
 *   generateDeviceKeys({ userId: crypto.randomUUID(), deviceId: crypto.randomUUID(), now, extractable: false });
 * const [alice, bob] = [await newDevice(), await newDevice()];
 *
 * const { body, wraps } = await sealEnvelope({
 *   conversationId,
 *   messageId,
 *   counter: 1,
 *   payload: { kind: "text", text: "hello", sentAtMs: now },
 *   devices: [{ userId: bob.userId, deviceId: bob.deviceId, publicKey: await makePublicKey(bob, now) }],
 *   sender: alice,
 *   now,
 * });
 *
 * const { userId, deviceId } = alice;
 * const verdict = await verifyDevicePublicKey(await makePublicKey(alice, now), { userId, deviceId, now });
 * if (!verdict.ok) throw new Error(verdict.reason);
 * const claims = { conversationId, messageId, senderUserId: userId, senderDeviceId: deviceId };
 * const { payload } = await openEnvelope({ body, wrap: wraps[0]?.wrap ?? "", claims, sender: verdict.device, keys: bob });
 * ```
 *
 * Keys are kept, and renewed once a week; what a server repeats or leaves out shows in the counters.
 *
 * @example
 * ```ts
 * import {
 *   type DeviceAddress,
 *   type DeviceKeys,
 *   type ReplayWindow,
 *   acceptCounter,
 *   exportDeviceKeys,
 *   hashRoster,
 *   importDeviceKeys,
 *   missingCounters,
 *   parseSealedBody,
 *   rotateDeviceKeys,
 *   wipeDroppedKeys,
 * } from "@sotto/sdk/sealed";
 *
 * async function renew(stored: Uint8Array<ArrayBuffer>, store: (keys: Uint8Array) => Promise<void>): Promise<DeviceKeys> {
 *   const present = await importDeviceKeys(stored, { extractable: true });
 *   const keys = await rotateDeviceKeys(present, Date.now());
 *   await store(await exportDeviceKeys(keys));
 *   wipeDroppedKeys(present, keys);
 *   return keys;
 * }
 *
 * async function judge(body: string, window: ReplayWindow | undefined, members: DeviceAddress[]): Promise<void> {
 *   const header = parseSealedBody(body)?.header;
 *   if (!header) return;
 *   const judged = acceptCounter(window, header.counter);
 *   if (judged.verdict === "fresh") console.log("never came:", missingCounters(judged.window));
 *   console.log("for", header.rosterHash, "as expected:", await hashRoster(members));
 * }
 * ```
 */
export {
  type Bytes,
  type DeviceAddress,
  type SealedClass,
  type SealedHeader,
  parseSealedBody,
  sealedLimits,
} from "@sotto/schema";
export {
  type DeviceKeys,
  type GenerateDeviceKeysInput,
  type HpkeKey,
  exportDeviceKeys,
  generateDeviceKeys,
  importDeviceKeys,
  keepReplacedForMs,
  rotateAfterMs,
  rotateDeviceKeys,
  sealableForMs,
  wipeDroppedKeys,
} from "./crypto/device-keys.ts";
export { EnvelopeError, type EnvelopeErrorCode } from "./crypto/errors.ts";
export {
  type ListedSender,
  type PublicKeyRefusal,
  type PublicKeyVerdict,
  type VerifiedDevice,
  type VerifiedSender,
  type VerifyPublicKeyInput,
  makePublicKey,
  verifyDevicePublicKey,
} from "./crypto/key-bundle.ts";
export {
  type EnvelopeClaims,
  type OpenEnvelopeInput,
  type OpenedEnvelope,
  openEnvelope,
} from "./crypto/open-envelope.ts";
export type {
  DeletionPayload,
  EditPayload,
  FilePayload,
  MessageRef,
  Payload,
  ReactionPayload,
  TextPayload,
  UnknownPayload,
} from "./crypto/payload.ts";
export type { HpkeKeyPair, KemName, SeedKeyPair } from "./crypto/kems.ts";
export type { KeyPair } from "./crypto/primitives.ts";
export {
  type CounterRange,
  type ReplayVerdict,
  type ReplayWindow,
  acceptCounter,
  missingCounters,
  replayWindowSize,
} from "./crypto/replay-window.ts";
export {
  type SealEnvelopeInput,
  type SealedEnvelope,
  hashRoster,
  sealEnvelope,
} from "./crypto/seal-envelope.ts";
export {
  type DeviceWraps,
  type PqPolicy,
  type RecipientDevice,
  type UnreachableDevice,
  type UnreachableReason,
  maxPreferredXWing,
} from "./crypto/wrap-for-devices.ts";
