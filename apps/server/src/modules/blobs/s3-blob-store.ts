import { createHash } from "node:crypto";
import { AwsClient } from "aws4fetch";
import type { BlobStore } from "./blob-store.ts";
import type { BlobId } from "./blobs.tables.ts";
import { inPieces } from "./chunks.ts";

/** S3's smallest part but for the last: what one upload holds in memory. */
const partBytes = 5 * 1_048_576;
const timeoutMs = 60_000;
const maxRetries = 3;

export interface S3Options {
  endpoint: string;
  region: string;
  bucket: string;
  /** Before every key. */
  prefix: string;
  accessKeyId: string;
  secretAccessKey: string;
}

interface S3Request {
  method: "GET" | "PUT" | "POST" | "DELETE";
  query?: string;
  body?: Buffer | string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Blobs as objects of a bucket, in the path style that every S3-compatible server knows. */
export function createS3BlobStore(options: S3Options): BlobStore {
  const { accessKeyId, secretAccessKey, region, bucket, prefix } = options;
  const client = new AwsClient({ accessKeyId, secretAccessKey, region, service: "s3", retries: maxRetries });
  const root = `${options.endpoint.replace(/\/$/, "")}/${bucket}`;
  const keyOf = (id: BlobId): string => `${prefix}${id}`;

  /** Throws for any status that is not listed; a server's text may hold keys, so only its code is told. */
  const send = async (path: string, request: S3Request, expected: number[]): Promise<Response> => {
    const { method, query, body, headers, signal } = request;
    const response = await client.fetch(`${root}/${path}${query ? `?${query}` : ""}`, {
      method,
      headers: { ...headers, "x-amz-content-sha256": sha256(body ?? "") },
      signal: signal ?? AbortSignal.timeout(timeoutMs),
      ...(body === undefined ? {} : { body }),
    });
    if (expected.includes(response.status)) return response;
    const code = /<Code>(\w+)<\/Code>/.exec(await response.text())?.[1] ?? "";
    throw new Error(`S3 answered ${response.status} ${code} to ${method}`);
  };

  const put = async (id: BlobId, request: Omit<S3Request, "method">): Promise<string> => {
    const response = await send(keyOf(id), { method: "PUT", ...request }, [200]);
    await response.arrayBuffer();
    return response.headers.get("etag") ?? "";
  };

  const abort = async (key: string, uploadId: string): Promise<void> => {
    await send(key, { method: "DELETE", query: `uploadId=${encodeURIComponent(uploadId)}` }, [204, 404, 405]);
  };

  const begin = async (id: BlobId): Promise<string> => {
    const begun = await send(keyOf(id), { method: "POST", query: "uploads=" }, [200]);
    const uploadId = /<UploadId>([^<]+)<\/UploadId>/.exec(await begun.text())?.[1];
    if (!uploadId) throw new Error("S3 gave no id for a multipart upload");
    return uploadId;
  };

  const putPart = (id: BlobId, uploadId: string, part: { number: number; body: Buffer }): Promise<string> =>
    put(id, { query: `partNumber=${part.number}&uploadId=${encodeURIComponent(uploadId)}`, body: part.body });

  const join = async (id: BlobId, uploadId: string, etags: readonly string[]): Promise<void> => {
    const list = etags.map(
      (etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${etag}</ETag></Part>`,
    );
    const body = `<CompleteMultipartUpload>${list.join("")}</CompleteMultipartUpload>`;
    const query = `uploadId=${encodeURIComponent(uploadId)}`;
    const done = await send(keyOf(id), { method: "POST", query, body }, [200]);
    // S3 may begin with 200 and fail afterwards.
    if ((await done.text()).includes("<Error>")) throw new Error("S3 did not join a multipart upload");
  };

  const isThere = async (id: BlobId): Promise<boolean> => {
    const range = { range: "bytes=0-0" };
    const response = await send(keyOf(id), { method: "GET", headers: range }, [200, 206, 404]);
    await response.body?.cancel();
    return response.status !== 404;
  };

  const writeParts = async (id: BlobId, parts: AsyncIterable<Buffer>): Promise<void> => {
    const uploadId = await begin(id);
    try {
      const etags: string[] = [];
      for await (const body of parts) {
        etags.push(await putPart(id, uploadId, { number: etags.length + 1, body }));
      }
      await join(id, uploadId, etags);
    } catch (error) {
      await abort(keyOf(id), uploadId).catch(() => {});
      throw error;
    }
  };

  /** What an earlier process left of a multipart upload. Not every server can list them. */
  const abortUploads = async (id: BlobId): Promise<void> => {
    const query = `prefix=${encodeURIComponent(keyOf(id))}&uploads=`;
    const listed = await send("", { method: "GET", query }, [200, 400, 403, 404, 405, 501]);
    const text = await listed.text();
    if (listed.status !== 200) return;
    for (const [, uploadId = ""] of text.matchAll(/<UploadId>([^<]+)<\/UploadId>/g)) {
      await abort(keyOf(id), uploadId);
    }
  };

  return {
    write: async (id, chunks) => {
      const parts = inPieces(chunks, partBytes);
      const first = await parts.next();
      const second = first.done ? first : await parts.next();
      if (second.done) {
        await put(id, { body: first.done ? Buffer.alloc(0) : first.value });
        return;
      }
      const [head, next] = [first.value ?? Buffer.alloc(0), second.value];
      await writeParts(
        id,
        (async function* () {
          yield head;
          yield next;
          yield* parts;
        })(),
      );
    },
    read: async function* (id, { start, end }, signal) {
      const request: S3Request = { method: "GET", headers: { range: `bytes=${start}-${end}` } };
      // The body may take as long as its reader does.
      const { body } = await send(
        keyOf(id),
        { ...request, signal: signal ?? new AbortController().signal },
        [206],
      );
      if (body) yield* body;
    },
    delete: async (id, { isWhole }) => {
      if (!isWhole) await abortUploads(id);
      const response = await send(keyOf(id), { method: "DELETE" }, [200, 204, 404]);
      await response.arrayBuffer();
    },
    resumable: {
      pieceBytes: partBytes,
      begin,
      write: ({ id, storeUpload, position, bytes }) =>
        putPart(id, storeUpload ?? "", { number: position + 1, body: bytes }),
      finish: async (id, storeUpload, tags) => {
        if (!(await isThere(id))) await join(id, storeUpload ?? "", tags);
      },
    },
  };
}

function sha256(body: Buffer | string): string {
  return createHash("sha256").update(body).digest("hex");
}
