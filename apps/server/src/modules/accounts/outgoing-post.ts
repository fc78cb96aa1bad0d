const timeoutMs = 5_000;

export interface OutgoingPost {
  headers: Record<string, string>;
  body: string;
}

/**
 * Posts to an address that the operator has set. No redirect is followed, what comes back is not
 * read, since it may repeat the number, and nothing takes longer than 5 s. Rejects unless the
 * answer is 2xx.
 */
export async function postOutside(url: string, { headers, body }: OutgoingPost): Promise<void> {
  const signal = AbortSignal.timeout(timeoutMs);
  const response = await fetch(url, { method: "POST", redirect: "error", signal, headers, body });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`The sender of codes answered ${response.status}`);
}
