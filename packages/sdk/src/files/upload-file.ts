import { type Bytes, type UploadState, attachmentId, toCamelKeys } from "@sotto/schema";
import { uploads } from "@sotto/schema/domains";
import { backoffMs, retrying, sleep } from "../api/retry.ts";
import type { FilePayload } from "../crypto/file-payload.ts";
import { SottoError } from "../errors.ts";
import type { Session } from "../session.ts";
import { type Spool, spoolPieceBytes } from "./spool.ts";

/** What one request carries at least, where so much is left. */
const partBytes = 4 * 1_048_576;
/** The largest piece that is believed in: a part has at least one, and is held in memory. */
const maxPieceBytes = 16 * 1_048_576;
/** So long a part is tried again here, before it is the outbox's turn. */
const retryPartForMs = 30_000;
/** How often in a row the server may be elsewhere: a request that was cut off may still be at work there. */
const maxSurprises = 10;

export interface Uploading {
  session: Session;
  spool: Spool;
  spoolId: string;
  file: FilePayload;
  /** Throws when the file is not to be sent any more; asked before each request. */
  requireWanted: () => Promise<unknown>;
  onProgress: (uploadedBytes: number) => void;
  signal: AbortSignal;
}

/**
 * Brings the server all of a spooled ciphertext, from wherever it has got to: after a cut, a restart of the server, or
 * one of the client, the same bytes go on at the server's offset. Does nothing more when it has them all.
 */
export async function uploadFile(uploading: Uploading): Promise<void> {
  const { signal, onProgress } = uploading;
  let surprises = 0;
  let farthest = -1;
  let state: UploadState | undefined;
  while (!state?.isComplete) {
    try {
      state = await uploadPart(uploading, state);
      // One that forgets what it has, again and again, has no end otherwise.
      if (state.offset > farthest) surprises = 0;
      farthest = Math.max(farthest, state.offset);
      onProgress(state.offset);
    } catch (error) {
      if (!isSurprise(error) || ++surprises > maxSurprises) throw error;
      state = undefined;
      await sleep(backoffMs(surprises), signal);
    }
  }
}

/** After whatever went wrong, the server says where to go on. */
function uploadPart(uploading: Uploading, known: UploadState | undefined): Promise<UploadState> {
  const { signal, requireWanted } = uploading;
  let state = known;
  return retrying(
    async () => {
      await requireWanted();
      const present = state ?? (await begin(uploading));
      state = undefined;
      return present.isComplete ? present : putPart(uploading, present);
    },
    { signal, forMs: retryPartForMs },
  );
}

/** The upload is not where it was thought to be, or the server has given it up. */
function isSurprise(error: unknown): boolean {
  if (!(error instanceof SottoError)) return false;
  return error.code === "UPLOAD_OFFSET_MISMATCH" || error.code === "UPLOAD_NOT_FOUND";
}

/** Gives what is there when it was begun before. */
async function begin({ session, file, signal }: Uploading): Promise<UploadState> {
  const sha256 = Array.from(file.ciphertextSha256, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const upload = { uploadId: attachmentId.parse(file.blobId), sizeBytes: file.ciphertextSize, sha256 };
  const state = await session.api.call(
    (server, options) => server.uploads.create.mutate(upload, options),
    signal,
  );
  requirePlausible(state, { file, past: -1 });
  return state;
}

/**
 * What the server says of an upload decides how much is read and held for it. Throws `BAD_ANSWER` for the state of another
 * one, and for what cannot be: neither is better when it is asked again.
 */
function requirePlausible(
  { uploadId, sizeBytes, offset, isComplete, pieceBytes }: UploadState,
  { file, past }: { file: FilePayload; past: number },
): void {
  const isOfFile = uploadId === file.blobId && sizeBytes === file.ciphertextSize;
  const isThere = isComplete ? offset === sizeBytes : offset > past && offset <= sizeBytes;
  if (!isOfFile || !isThere || pieceBytes > maxPieceBytes) throw new SottoError("BAD_ANSWER");
}

async function putPart(uploading: Uploading, { offset, pieceBytes }: UploadState): Promise<UploadState> {
  const { session, file, signal } = uploading;
  const wholePieces = Math.ceil(partBytes / pieceBytes) * pieceBytes;
  const body = await readSpooled(uploading, offset, Math.min(file.ciphertextSize, offset + wholePieces));
  const path = `/uploads/${file.blobId}?offset=${offset}`;
  const response = await session.rest.request({ method: "PUT", path, body, signal });
  const answer = await response.json().catch((cause: unknown) => {
    throw new SottoError("NETWORK", { cause });
  });
  const state = uploads.uploadState.safeParse(toCamelKeys(answer));
  if (!state.success) throw new SottoError("BAD_ANSWER", { cause: state.error });
  // What was sent has a whole piece, or is all that was left.
  requirePlausible(state.data, { file, past: offset });
  return state.data;
}

async function readSpooled({ spool, spoolId }: Uploading, from: number, to: number): Promise<Bytes> {
  const part = new Uint8Array(to - from);
  for (let at = Math.floor(from / spoolPieceBytes); at * spoolPieceBytes < to; at++) {
    const piece = await spool.read(spoolId, at);
    if (!piece) throw new SottoError("FILE_GONE");
    const start = at * spoolPieceBytes;
    part.set(piece.subarray(Math.max(0, from - start), to - start), Math.max(0, start - from));
  }
  return part;
}
