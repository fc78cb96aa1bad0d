import { type ErrorCode, errorDefinition, errors, isErrorCode, toCamelKeys } from "@sotto/schema";
import * as z from "zod/mini";
import { type AnySottoError, SottoError, makeError, throwIfAborted } from "../errors.ts";
import { withDeadline } from "./deadline.ts";
import { toSottoError } from "./to-sotto-error.ts";

/** How long the head of an answer may take, and with it the sending of a body. */
const timeoutMs = 180_000;
const withCode = z.looseObject({ code: z.string() });
const answer = z.object({ detail: z.unknown() });

export interface RestRequest {
  method: "GET" | "PUT";
  /** From the root, with its query. */
  path: string;
  headers?: Record<string, string>;
  body?: Uint8Array<ArrayBuffer>;
  signal?: AbortSignal | undefined;
}

/** The routes that carry bytes, which tRPC has not. */
export interface Rest {
  /** Gives the answer as soon as its head is there. Throws {@link SottoError} for any status but 200 and 206. */
  request(request: RestRequest): Promise<Response>;
}

export function createRest(options: { url: string; getToken: () => string | undefined }): Rest {
  return {
    async request({ method, path, headers, body, signal }) {
      throwIfAborted(signal);
      // Not of the whole answer: a download may take as long as its reader does.
      const send = async (either: AbortSignal): Promise<Response> => {
        const response = await fetch(`${options.url}${path}`, {
          method,
          headers: { ...headers, authorization: `Bearer ${options.getToken() ?? ""}` },
          signal: either,
          ...(body ? { body } : {}),
        });
        if (response.status === 200 || response.status === 206) return response;
        throw await readRefusal(response);
      };
      try {
        return await withDeadline({ timeoutMs, signal }, send);
      } catch (error) {
        throw toSottoError(error, signal);
      }
    },
  };
}

async function readRefusal(response: Response): Promise<AnySottoError> {
  const { status } = response;
  const requestId = response.headers.get("x-request-id") ?? undefined;
  const parsed = answer.safeParse(await response.json().catch(() => undefined));
  const detail = parsed.success ? parsed.data.detail : undefined;
  const named = withCode.safeParse(detail);
  const code = named.success ? named.data.code.toUpperCase() : findCode(status, detail);
  if (code === undefined || !isErrorCode(code)) {
    // Something in between answered, such as a proxy whose server is away.
    return status >= 500
      ? makeError("UNAVAILABLE", { requestId })
      : new SottoError("BAD_ANSWER", { requestId });
  }
  const retryAfter = Number(response.headers.get("retry-after") ?? 0);
  const given = { retryAfter, issues: detail, ...(named.success ? toObject(toCamelKeys(named.data)) : {}) };
  const details = errorDefinition(code).details?.safeParse(given);
  if (details?.success === false) return new SottoError("BAD_ANSWER", { requestId });
  return makeError(code, { requestId, details: details?.data });
}

function toObject(value: unknown): object {
  return typeof value === "object" && value !== null ? value : {};
}

/** A refusal whose detail is a text, or a list, has no code of its own: the table tells it by status and text. */
function findCode(status: number, detail: unknown): ErrorCode | undefined {
  return Object.keys(errors)
    .filter(isErrorCode)
    .find((code) => {
      const definition = errorDefinition(code);
      if (definition.status !== status) return false;
      return definition.rest === "list" ? Array.isArray(detail) : definition.detail === detail;
    });
}
