import { createHash } from "node:crypto";
import type { UploadBody } from "./call.ts";

/**
 * What an `Idempotency-Key` stands for: the procedure, its input and, of an upload, the bytes. They
 * are read through `body`, and count as far as they were read when the digest is asked for.
 */
export function hashRequest(
  named: { area: string; name: string; input: unknown },
  body: UploadBody | undefined,
): { body: UploadBody | undefined; digest: () => Buffer } {
  const hash = createHash("sha256").update(JSON.stringify([named.area, named.name, named.input]));
  const digest = (): Buffer => hash.copy().digest();
  if (!body) return { body, digest };
  const read = async function* (): AsyncGenerator<Uint8Array, void> {
    for await (const bytes of body) {
      hash.update(bytes);
      yield bytes;
    }
  };
  return { body: { announcedBytes: body.announcedBytes, [Symbol.asyncIterator]: read }, digest };
}
