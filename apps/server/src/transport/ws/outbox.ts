import type { Writable } from "node:stream";

/** So much is held back at most: in one turn a batch of sends may reach thousands of sockets. */
const maxHeldBytes = 4 * 1_048_576;

const held: Writable[] = [];
let heldBytes = 0;

/**
 * Writes a whole frame to the connection under a WebSocket that is open. What a connection is given in
 * one turn of the event loop goes out in one system call (ADR 0019). `ws` writes to the same stream, so
 * its `bufferedAmount`, its own frames and its closing stay in order; without `permessage-deflate` it
 * never holds a frame back.
 */
export function writeFrame(stream: Writable, frame: Buffer): void {
  if (stream.writableCorked === 0) {
    stream.cork();
    held.push(stream);
    if (held.length === 1) process.nextTick(flush);
  }
  stream.write(frame);
  heldBytes += frame.length;
  if (heldBytes > maxHeldBytes) flush();
}

function flush(): void {
  const streams = held.splice(0);
  heldBytes = 0;
  for (const stream of streams) stream.uncork();
}

const textFrame = 0x81;

/** An unfragmented, unmasked text frame (RFC 6455 §5.2) of what is the reader's own and what all share. */
export function encodeTextFrame(own: string, shared: Buffer): Buffer {
  const ownBytes = Buffer.byteLength(own);
  const length = ownBytes + shared.length;
  const headBytes = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(headBytes + length);
  frame[0] = textFrame;
  if (headBytes === 2) frame[1] = length;
  else if (headBytes === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.write(own, headBytes);
  shared.copy(frame, headBytes + ownBytes);
  return frame;
}
