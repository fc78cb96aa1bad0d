import { v7 as uuidv7 } from "uuid";
import type { SignedIn } from "../conversations.ts";
import { type FilePayload, requireFileDescription } from "../crypto/file-payload.ts";
import { SottoError } from "../errors.ts";
import { type Destination, laneKey } from "../messages/destination.ts";
import { type SendOptions, requireMessageId } from "../messages/outbox.ts";
import { findOutgoing } from "../messages/outgoing-queue.ts";
import type { SentMessage } from "../messages/sent-message.ts";
import type { FileSource } from "./bytes-streams.ts";
import type { OnProgress } from "./file-transfers.ts";

const anyType = "application/octet-stream";

/** What readers are shown of a file. The server sees none of it. */
export interface FileOptions extends SendOptions {
  /** For the reader to see, at most 1,024 characters. */
  name: string;
  /** A media type; by default that of a Blob, else `application/octet-stream`. */
  type?: string | undefined;
  /** Of an image or a video, in pixels. */
  width?: number | undefined;
  height?: number | undefined;
  /** A small image, at most 64 KiB. */
  thumbnail?: Uint8Array<ArrayBuffer> | undefined;
  caption?: string | undefined;
  /** Called as the file is encrypted and uploaded. */
  onProgress?: OnProgress | undefined;
}

/** Encrypts into the spool, queues the message, and waits for it. What may not be sent is judged before that. */
export async function sendFile(
  { session, outbox }: SignedIn,
  to: Destination,
  { source, ...options }: FileOptions & { source: FileSource },
): Promise<SentMessage> {
  const { clientMessageId = uuidv7(), signal, onProgress } = options;
  requireMessageId(clientMessageId);
  const described = describe(source, options, session.now());
  requireFileDescription(described);
  const sending = { clientMessageId, signal };
  const earlier = await findOutgoing(session.store, clientMessageId);
  if (earlier) {
    // Encrypted before, perhaps in an earlier run: those bytes go on, and the source is not read again.
    if (
      !isSameFile(earlier.payload, described) ||
      laneKey(earlier.destination).join() !== laneKey(to).join()
    ) {
      throw new SottoError("CLIENT_MESSAGE_ID_REUSED");
    }
    session.files.listen(clientMessageId, onProgress);
    return outbox.send(to, earlier.payload, sending);
  }
  const { sent } = await session.files.store({ clientMessageId, source, onProgress, signal }, (seal) =>
    outbox.queue(to, { kind: "file", blobId: uuidv7(), ...described, ...seal }, sending),
  );
  try {
    return await sent;
  } catch (error) {
    if (signal?.aborted) await outbox.cancel(clientMessageId);
    throw error;
  }
}

type Description = Omit<
  FilePayload,
  "kind" | "blobId" | "ageIdentity" | "ciphertextSize" | "ciphertextSha256" | "size"
>;

function describe(source: FileSource, options: FileOptions, sentAtMs: number): Description {
  const { name, type, width, height, thumbnail, caption } = options;
  const ownType = source instanceof Blob && source.type !== "" ? source.type : anyType;
  return { name, mimeType: type ?? ownType, width, height, thumbnail, caption, sentAtMs };
}

function isSameFile(earlier: { kind: string }, given: Description): earlier is FilePayload {
  if (earlier.kind !== "file") return false;
  const { name, mimeType, caption } = earlier as FilePayload;
  return name === given.name && mimeType === given.mimeType && caption === given.caption;
}
