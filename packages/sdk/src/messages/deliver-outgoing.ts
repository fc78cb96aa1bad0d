import { type MessageId, isErrorCode } from "@sotto/schema";
import { backoffMs, sleep } from "../api/retry.ts";
import { SottoError, isAuthError, throwIfAborted } from "../errors.ts";
import type { Session } from "../session.ts";
import type { OutgoingQueue } from "./outgoing-queue.ts";
import { findParticipants, forgetParticipants } from "./participants.ts";
import { sealOutgoing } from "./seal-outgoing.ts";
import {
  type Outgoing,
  type Sealed,
  type SentMessage,
  isSealed,
  toDelivered,
  toSentMessage,
} from "./sent-message.ts";

/** Devices may come and go faster than a message is sealed; from the fourth time on it waits a little first. */
const maxReseals = 20;
const resealsAtOnce = 3;

interface Delivery {
  session: Session;
  queue: OutgoingQueue;
  clientMessageId: string;
  signal: AbortSignal;
}

/** One try at a queued message: seals it unless that was done, sends it, and stores the answer. */
export async function deliverOutgoing(delivery: Delivery): Promise<SentMessage> {
  const { session, queue, clientMessageId, signal } = delivery;
  throwIfAborted(signal);
  let message = await queue.get(clientMessageId);
  const file = message.payload.kind === "file" ? message.payload : undefined;
  if (message.delivered) return finish(delivery, message);
  if (file) {
    const requireWanted = () => queue.get(clientMessageId);
    await session.files.upload(session, file, { clientMessageId, requireWanted, signal });
  }
  // It may have been refused for the devices that are remembered.
  if (message.refusedForm) await forgetParticipants(session, message.destination, message.refusedForm);
  // Otherwise an earlier request may still be under way.
  const isOnlyRequest = message.counter === null;
  for (let reseals = 0; ; reseals++) {
    message = await seal(delivery, message);
    const { sealed, refusedForm } = message;
    // Its log entry has come while it was sealed.
    if (!sealed) return finish(delivery, message);
    const stored = await transmit(delivery, message, sealed).catch(async (error: unknown) => {
      if (refusedForm && isStored(error)) return transmit(delivery, message, refusedForm);
      if (isRefusal(error)) message = await queue.refuse(clientMessageId, sealed, { isOnlyRequest });
      if (isStale(error) && reseals < maxReseals) return undefined;
      throw error;
    });
    if (stored) {
      const { id, sentAt } = stored;
      const delivered = toDelivered(stored.sealed, { id, conversationId: sealed.conversationId, sentAt });
      if (file) await session.files.finish(session, file, { clientMessageId, id, signal });
      await queue.close(clientMessageId, delivered, stored.sealed);
      return toSentMessage(clientMessageId, delivered);
    }
    // Nothing was stored: the message may be sealed again, for the present devices.
    if (reseals >= resealsAtOnce) await sleep(backoffMs(reseals - resealsAtOnce), signal);
    await forgetParticipants(session, message.destination, sealed);
  }
}

/** Of a message whose log entry has come before the answer. Throws `ABORTED` for one that is not delivered. */
async function finish(
  { session, clientMessageId, signal }: Delivery,
  { payload, delivered }: Outgoing,
): Promise<SentMessage> {
  if (!delivered) throw new SottoError("ABORTED");
  if (payload.kind === "file") {
    await session.files.finish(session, payload, { clientMessageId, ...delivered, signal });
  }
  return toSentMessage(clientMessageId, delivered);
}

/** Stores the sealed bytes before the network sees them: a retry sends the same, unless they were refused. */
async function seal(delivery: Delivery, message: Outgoing): Promise<Outgoing> {
  if (isSealed(message)) return message;
  const { session, clientMessageId, signal } = delivery;
  const participants = await findParticipants(session, message.destination, signal);
  const resealed = await sealOutgoing(session, message, { clientMessageId, signal, participants });
  return delivery.queue.storeSealed(clientMessageId, resealed);
}

/** What the server has stored, and under which number. */
interface Stored {
  sealed: Sealed;
  id: MessageId;
  sentAt: string;
}

async function transmit(
  { session, clientMessageId, signal }: Delivery,
  { destination }: Outgoing,
  sealed: Sealed,
): Promise<Stored> {
  const { api, me, now } = session;
  const { conversationId, body, recipients } = sealed;
  const sent = { senderDeviceId: me.deviceId, ciphertext: body, clientMessageId, recipients };
  if (destination.kind === "direct") {
    const { id, sentAt } = await api.call(
      (server, options) =>
        server.messages.send.mutate({ recipientUserId: destination.peerUserId, ...sent }, options),
      signal,
    );
    return { sealed, id, sentAt };
  }
  const { messageIds } = await api.call(
    (server, options) => server.messages.sendGroup.mutate({ conversationId, ...sent }, options),
    signal,
  );
  const [id] = messageIds;
  if (id === undefined) throw new SottoError("BAD_ANSWER");
  // A group's answer names no time: the log entry, which comes on the stream, has the server's.
  return { sealed, id, sentAt: new Date(now()).toISOString() };
}

/** The server has answered, and will not store it as it is. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof SottoError && isErrorCode(error.code) && error.retry !== "later" && !isAuthError(error)
  );
}

/** Something in between repeated the request that was refused, and that one was stored after all. */
function isStored(error: unknown): boolean {
  return error instanceof SottoError && error.code === "CLIENT_MESSAGE_ID_REUSED";
}

function isStale(error: unknown): boolean {
  if (!(error instanceof SottoError)) return false;
  if (error.code === "DEVICE_LIST_STALE") return true;
  return error.code === "ENVELOPE_REFUSED" && error.details.field === "roster_hash";
}
