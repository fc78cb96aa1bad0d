import { expect } from "vitest";

/** No answer takes a server that is well as long. */
const hangMs = 5_000;

/** What only the inside of a server says: its sources, its database, its system. */
const internal =
  /\n? {4}at |\.(?:ts|mjs|js):\d|node_modules|file:\/\/|violates|duplicate key|(?:relation|column|constraint) "|syntax error at|invalid input syntax|invalid byte sequence|out of range for type|_pkey|_fkey|kysely|\bE[A-Z]{5,}\b: |SELECT .* FROM|INSERT INTO/;

export interface Answered {
  status: number;
  text: string;
}

/** Asks, and holds that the answer comes, is no failure of the server, and says nothing of its inside. */
export async function askHarmless(
  url: string,
  init: { method: string; headers: Record<string, string>; body?: string | Buffer },
): Promise<Answered> {
  const { method, headers, body } = init;
  const response = await fetch(url, {
    method,
    headers,
    signal: AbortSignal.timeout(hangMs),
    ...(body === undefined || method === "GET"
      ? {}
      : { body: typeof body === "string" ? body : new Uint8Array(body) }),
  });
  const text = await response.text();
  const { status } = response;
  expect(status, text.slice(0, 2_000)).toBeLessThan(500);
  // A head that is too large is refused before anything of ours reads it.
  if (status === 431) return { status, text };
  const isJson = response.headers.get("content-type")?.startsWith("application/json");
  // tRPC's adapter calls some of its own refusals text; they are JSON all the same.
  if (isJson || status >= 400) expect(typeof JSON.parse(text)).toBe("object");
  if (status >= 400) expect(text).not.toMatch(internal);
  return { status, text };
}
