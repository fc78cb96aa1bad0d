import { type Bytes, type DeviceId, type ListedDevice, deviceId } from "@sotto/schema";
import * as z from "zod/mini";
import { readDeviceList } from "../crypto/device-list.ts";
import { type ListedSender, type VerifiedDevice, verifyDevicePublicKey } from "../crypto/key-bundle.ts";
import { equalConstantTime, randomBytes, sha256 } from "../crypto/primitives.ts";
import { SottoError, isAuthError } from "../errors.ts";
import type { Session } from "../session.ts";
import { bytes } from "../storage/bytes.ts";
import { defineRecord } from "../storage/records.ts";
import { generateAgeKeys } from "../backup/age-keys.ts";
import { openHandover, sealHandover } from "./handover.ts";
import type { Lookup } from "./identities.ts";
import { type LinkRefusal, encodeLinkCode, parseLinkCode } from "./link-code.ts";
import { isPair, linkRecord, nextKeyRecord, ownKeyRecord } from "./own-key.ts";
import { withDevice, withoutDevice } from "./own-identity.ts";

/** The public halves of what was handed to other devices: histories for them are encrypted to these. */
export const transferRecord = defineRecord("transfer", z.string());
/** SHA-256 of the secret in the code by which each of them was let in. */
const approvedRecord = defineRecord("approved-code", bytes);

/** The code of this device: it stays the same until the device is linked. Throws `ALREADY_LINKED`. */
export async function makeLinkCode(
  { store, turns, me, account, identity }: Session,
  signal?: AbortSignal,
): Promise<string> {
  if ((await identity.ready(signal)) === "linked") throw new SottoError("ALREADY_LINKED");
  const secret = await turns.run(async () => {
    const made = (await linkRecord.get(store))?.secret ?? randomBytes(32);
    await store.commit([linkRecord.put([], { secret: made })]);
    return made;
  });
  const dik = account.keys.dik?.publicKeyBytes;
  if (!dik) throw new TypeError("a device without an identity key");
  return encodeLinkCode({ userId: me.userId, deviceId: me.deviceId, dikHash: await sha256(dik), secret });
}

interface ApproveOptions {
  /** Whether the new device may approve and remove devices itself. */
  maySign: boolean;
  signal?: AbortSignal | undefined;
}

/**
 * Lets the device in whose code was read. The same code again changes nothing: the device may have taken what was handed
 * over, and takes no other. Throws `LINK_REFUSED`, `CANNOT_SIGN`, `DEVICE_NOT_LINKED`.
 */
export async function approveDevice(
  session: Session,
  text: string,
  { maySign, signal }: ApproveOptions,
): Promise<DeviceId> {
  const { me, identity, identities, account, store, now } = session;
  const code = parseLinkCode(text);
  if (!code) throw refused("malformed");
  if (code.userId !== me.userId) throw refused("wrong_user");
  await identity.ready(signal);
  const { key } = await identity.requireSigning();
  const { devices } = await identities.lookUp(me.userId, signal);
  const published = devices.find((device) => device.deviceId === code.deviceId);
  const device = await verifyOwn(session, published);
  if (!published || !device) throw refused("not_published");
  if (!equalConstantTime(await sha256(device.dik), code.dikHash)) throw refused("key_mismatch");

  const transfer = await generateAgeKeys();
  const sealed = await sealHandover(
    {
      secret: code.secret,
      uik: key.uik,
      uikPrivate: maySign ? key.uikPrivate : null,
      transfer: transfer.identity,
    },
    {
      sender: account.keys,
      recipient: { ...published, userId: me.userId, pinnedDik: device.dik },
      now: now(),
    },
  );
  if (!sealed) throw refused("not_published");
  const id = deviceId.parse(code.deviceId);
  const secretHash = await sha256(code.secret);
  const listed = { deviceId: code.deviceId, dik: device.dik, addedSec: Math.floor(now() / 1000) };
  await identity.change(
    async (list) => {
      const approved = await approvedRecord.get(store, id);
      const isListed = list.some(
        ({ deviceId, dik }) => deviceId === id && equalConstantTime(dik, device.dik),
      );
      if (isListed && approved && equalConstantTime(approved, secretHash)) return undefined;
      await store.commit([
        transferRecord.put([id], transfer.recipient),
        approvedRecord.put([id], secretHash),
      ]);
      return withDevice(list, listed);
    },
    { handover: { deviceId: id, ...sealed }, signal },
  );
  return id;
}

/**
 * Takes what another device has handed to this one, if it holds the secret of our code: whoever sealed it has read that
 * code, so its identity key is the user's. True when it was taken.
 */
export async function takeHandover(session: Session, lookup: Lookup, signal?: AbortSignal): Promise<boolean> {
  const { api, store, account, identity } = session;
  const link = await linkRecord.get(store);
  if (!link) return false;
  const { handover: given } = await api.call(
    (server, options) => server.deviceLists.getHandover.query({}, options),
    signal,
  );
  if (!given) return false;
  const from = lookup.devices.find((device) => device.deviceId === given.fromDeviceId);
  const sender = (await verifyOwn(session, from)) ?? (await findFormer(session, given, { lookup, signal }));
  if (!sender) return false;
  const opened = await openHandover(given, { sender, keys: account.keys, secret: link.secret });
  if (!opened || (opened.uikPrivate && !(await isPair(opened.uik, opened.uikPrivate)))) return false;
  const { uik, uikPrivate, transfer } = opened;
  await store.commit([
    ownKeyRecord.put([], { uik, uikPrivate, transfer }),
    nextKeyRecord.remove(),
    linkRecord.remove(),
  ]);
  return identity.state !== "linked";
}

/** The device that handed over, and was removed since: the chain says what its identity key was. */
async function findFormer(
  { me, identities }: Session,
  { fromDeviceId: deviceId }: { fromDeviceId: string },
  { lookup, signal }: { lookup: Lookup; signal?: AbortSignal | undefined },
): Promise<ListedSender | undefined> {
  const newest = readDeviceList(lookup.lists.at(-1) ?? "");
  if (!newest) return undefined;
  const through = { version: newest.version, hash: await sha256(newest.bytes), uik: newest.uik };
  const diks = await identities.listFormer(me.userId, through, signal);
  const dik = diks.get(deviceId);
  return dik && { kind: "listed", userId: me.userId, deviceId, dik };
}

/** A device of one's own as published, by its own word. */
async function verifyOwn(
  { me, now }: Session,
  published: { deviceId: string; publicKey: string } | undefined,
): Promise<(VerifiedDevice & { kind: "bundle"; dik: Bytes }) | undefined> {
  if (!published) return undefined;
  const { deviceId: id, publicKey } = published;
  const verdict = await verifyDevicePublicKey(publicKey, { userId: me.userId, deviceId: id, now: now() });
  return verdict.ok && verdict.device.kind === "bundle" ? verdict.device : undefined;
}

function refused(reason: LinkRefusal): SottoError<"LINK_REFUSED"> {
  return new SottoError("LINK_REFUSED", { details: { reason } });
}

/**
 * Takes a device out of the signed list, if it is there. Before the server forgets the device: from now on nobody seals
 * to it, whatever the server says. Throws `DEVICE_NOT_LINKED`, `CANNOT_SIGN`.
 */
export async function signOff({ identity }: Session, removed: DeviceId, signal?: AbortSignal): Promise<void> {
  await identity.ready(signal);
  const isRemoved = ({ deviceId: id }: ListedDevice) => id === removed;
  await identity.change(
    (devices) => (devices.some(isRemoved) ? withoutDevice(devices, removed) : undefined),
    { signal },
  );
}

/** Takes this device out of the list as it signs out. What the server says about the session is for `removeDevice`. */
export async function leaveDeviceList(session: Session, signal?: AbortSignal): Promise<void> {
  try {
    await signOff(session, session.me.deviceId, signal);
  } catch (error) {
    // It is in no list, or may not change it; whoever may can take it out at any time.
    const isOver =
      error instanceof SottoError && (error.code === "DEVICE_NOT_LINKED" || error.code === "CANNOT_SIGN");
    if (!isOver && !isAuthError(error)) throw error;
  }
}
