import {
  type ConversationId,
  type MessageId,
  conversationId,
  deviceId,
  messageId,
  time,
  userId,
} from "@sotto/schema";
import * as z from "zod/mini";
import type { KemName } from "../crypto/kems.ts";
import type { Payload } from "../crypto/payload.ts";
import type { UnreachableDevice } from "../crypto/wrap-for-devices.ts";
import type { SottoErrorCode } from "../errors.ts";
import { destination } from "./destination.ts";

/** A message that the server has stored. */
export interface SentMessage {
  id: MessageId;
  clientMessageId: string;
  conversationId: ConversationId;
  /** By the server's clock, RFC 3339. */
  sentAt: string;
  /** What it was sealed with for every device: the answer to the client's option `pq`. */
  kem: KemName;
  /** Devices that cannot read it, and why: `identity_changed` is worth a warning to the user. */
  unreachable: UnreachableDevice[];
}

/** What was stored before there was a choice was X25519. */
const kem = z._default(z.enum(["x25519", "x-wing"]), "x25519");

const sealed = z.object({
  conversationId,
  body: z.string(),
  recipients: z.array(z.object({ userId, deviceId, wrap: z.string(), listVersion: z.optional(z.number()) })),
  unreachable: z.array(z.custom<UnreachableDevice>()),
  kem,
  /** Users, other than this one, that it is sealed for. */
  recipientCount: z.number(),
});

/** A message of this device's, from the moment of `send` on. What it says is kept: this device cannot open its own. */
export const outgoing = z.object({
  destination,
  /** Stored by this client, and so of the type. */
  payload: z.custom<Payload>((value) => typeof value === "object" && value !== null && "kind" in value),
  /** Its place in the outbox. */
  order: z.number(),
  /** `failed`: `send` was rejected; sent on only by `retry` or another `send` with the same id. */
  state: z.enum(["queued", "failed", "delivered"]),
  /** Why it failed. */
  error: z.nullable(z.custom<SottoErrorCode>((value) => typeof value === "string")),
  /** Taken before the message is first sealed; null again once the server has refused its only request. */
  counter: z.nullable(z.number()),
  /** What the network sees, stored before it does. Dropped after delivery. */
  sealed: z.nullable(sealed),
  /** What it was sealed to when the server refused it last. Dropped after delivery. */
  refusedForm: z._default(z.nullable(sealed), null),
  delivered: z.nullable(
    z.object({
      id: messageId,
      conversationId,
      sentAt: time,
      unreachable: z.array(z.custom<UnreachableDevice>()),
      kem,
      recipientCount: z.number(),
    }),
  ),
});
export type Outgoing = z.output<typeof outgoing>;
export type Sealed = z.output<typeof sealed>;

/** It has a form to be sent. What was stored before refused forms were kept may have one that was refused, and no number. */
export function isSealed({ sealed, counter }: Outgoing): boolean {
  return sealed !== null && counter !== null;
}

/** The server's answer with what is worth keeping of what was sent. */
export function toDelivered(
  { kem, unreachable, recipientCount }: Sealed,
  stored: { id: MessageId; conversationId: ConversationId; sentAt: string },
): NonNullable<Outgoing["delivered"]> {
  return { ...stored, kem, unreachable, recipientCount };
}

export function toSentMessage(
  clientMessageId: string,
  delivered: NonNullable<Outgoing["delivered"]>,
): SentMessage {
  const { recipientCount: _, ...sent } = delivered;
  return { clientMessageId, ...sent };
}
