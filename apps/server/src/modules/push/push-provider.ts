/** What a device is shown; the same text for every message, and ids alone beside it. */
export interface Push {
  title: string;
  body: string;
  data: Record<string, string>;
  /** A later push with the same key takes the place of one that was not shown yet. */
  collapseKey: string;
}

/** `dead`: the token will never work again. */
export type PushOutcome = "sent" | "dead";

/** Hands a push to the provider of the device. Rejects with `PushRefused`, or for anything that may pass. */
export type PushProvider = (token: string, push: Push) => Promise<PushOutcome>;

/** The provider will not take it, however often it is tried. */
export class PushRefused extends Error {
  override readonly name = "PushRefused";
}

/** The provider may take it later. */
export class PushDelayed extends Error {
  override readonly name = "PushDelayed";
}

export const pushTimeoutMs = 10_000;

/** Throws for an answer that is no success: by its status alone. */
export function requireSuccess(status: number): void {
  if (status >= 200 && status < 300) return;
  if (status === 429 || status >= 500) throw new PushDelayed(`The provider answered ${status}`);
  throw new PushRefused(`The provider answered ${status}`);
}
