import { TRPCError } from "@trpc/server";
import { parseTRPCMessage, type TRPCClientOutgoingMessage } from "@trpc/server/rpc";
import { z } from "zod";

export type Message = TRPCClientOutgoingMessage;

const connectionParams = z.object({ data: z.record(z.string(), z.string()).nullable() });

/** The first frame of a socket that was opened with `connectionParams=1`. */
export function parseConnectionParams(text: string | undefined): Record<string, string> {
  const parsed = connectionParams.safeParse(parseJson(text));
  if (!parsed.success) throw new TRPCError({ code: "PARSE_ERROR", message: "Malformed connection params" });
  return parsed.data.data ?? {};
}

/** What a frame asks for: one message, or a batch of them. */
export function parseFrame(text: string | undefined): { messages: unknown[]; isBatch: boolean } {
  const frame = parseJson(text);
  return Array.isArray(frame) ? { messages: frame, isBatch: true } : { messages: [frame], isBatch: false };
}

export function parseMessage(message: unknown): Message {
  try {
    return parseTRPCMessage(message, untransformed);
  } catch (cause) {
    throw new TRPCError({ code: "PARSE_ERROR", cause });
  }
}

/** A binary frame has no text. */
function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch (cause) {
    throw new TRPCError({ code: "PARSE_ERROR", cause });
  }
}

const same = (value: unknown): unknown => value;
const untransformed = {
  input: { serialize: same, deserialize: same },
  output: { serialize: same, deserialize: same },
};
