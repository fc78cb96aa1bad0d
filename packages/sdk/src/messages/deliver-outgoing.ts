import type { Message } from "@sotto/schema";
import { toSottoError } from "../api/to-sotto-error.ts";
import { SottoError } from "../errors.ts";
import type { Session } from "../session.ts";
import type { OutgoingQueue } from "./outgoing-queue.ts";
import { sealOutgoing } from "./seal-outgoing.ts";
import type { Outgoing, Sealed, SentMessage } from "./sent-message.ts";

const maxReseals = 5;

interface Delivery {
  session: Session;
  queue: OutgoingQueue;
  clientMessageId: string;
  signal: AbortSignal;
}

/** One try at a queued message: seals it unless that was done, sends it, and stores the answer. */
export async function deliverOutgoing(delivery: Delivery): Promise<SentMessage> {
  const { session, queue, clientMessageId, signal } = delivery;
  if (signal.aborted) throw toSottoError(signal.reason, signal);
  const { directory, me } = session;
  let message = await queue.get(clientMessageId);
  for (let reseals = 0; ; reseals++) {
    const [sealedMessage, sealed] = await seal(delivery, message);
    try {
      const { id, conversationId, sentAt } = await transmit(delivery, message, sealed);
      const { kem, unreachable } = sealed;
      const delivered = { id, conversationId, sentAt, kem, unreachable };
      await queue.close(clientMessageId, { ...sealedMessage, state: "delivered", sealed: null, delivered });
      return { clientMessageId, ...delivered };
    } catch (error) {
      // Nothing was stored: the message may be sealed again under the same id, for the present devices.
      if (!isStale(error) || reseals === maxReseals) throw error;
      directory.forget(message.peerUserId);
      directory.forget(me.userId);
      message = { ...sealedMessage, sealed: null };
    }
  }
}

/** Stores the sealed bytes before the network sees them: a retry sends the same. */
async function seal(delivery: Delivery, message: Outgoing): Promise<[Outgoing, Sealed]> {
  if (message.sealed) return [message, message.sealed];
  const { sealed, counter, writes } = await sealOutgoing(delivery.session, message, delivery);
  const stored = { ...message, sealed, counter };
  await delivery.queue.update(delivery.clientMessageId, stored, writes);
  return [stored, sealed];
}

function transmit(delivery: Delivery, { peerUserId }: Outgoing, sealed: Sealed): Promise<Message> {
  const { session, clientMessageId, signal } = delivery;
  const { api, me } = session;
  return api.call(
    (server, options) =>
      server.messages.send.mutate(
        {
          recipientUserId: peerUserId,
          senderDeviceId: me.deviceId,
          ciphertext: sealed.body,
          clientMessageId,
          recipients: sealed.recipients,
        },
        options,
      ),
    signal,
  );
}

function isStale(error: unknown): boolean {
  if (!(error instanceof SottoError)) return false;
  if (error.code === "DEVICE_LIST_STALE") return true;
  return error.code === "ENVELOPE_REFUSED" && error.details.field === "roster_hash";
}
