import { SottoError, type SottoErrorCode, makeError } from "../errors.ts";
import type { News } from "../news.ts";
import { LocalTurns } from "../turns.ts";

type Letter =
  | { type: "news"; news: unknown }
  | { type: "ping"; to: string[] }
  | { type: "pong"; from: string };

interface ChannelListeners {
  onNews: (news: News) => Promise<void>;
  /** Under which ids this tab is known. */
  isThis: (tabId: string) => boolean;
}

/** How the tabs of one store talk. A `BroadcastChannel` keeps nothing: what must not be lost is in the store. */
export class TabChannel {
  readonly #channel: BroadcastChannel;
  /** News are heard one at a time: hearing may read the store. */
  readonly #hearing = new LocalTurns();
  readonly #pongs = new Set<(tabId: string) => void>();

  constructor(name: string, { onNews, isThis }: ChannelListeners) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.addEventListener("message", ({ data }: MessageEvent<Letter>) => {
      switch (data.type) {
        case "ping":
          for (const tabId of data.to) if (isThis(tabId)) this.#send({ type: "pong", from: tabId });
          return;
        case "pong":
          for (const listener of this.#pongs) listener(data.from);
          return;
        case "news":
          // A tab of this very origin has posted it; one that another version does not know is passed over there.
          this.#hearing.run(() => onNews(unpack(data.news) as News)).catch(() => {});
      }
    });
  }

  post(news: News): void {
    this.#send({ type: "news", news: pack(news) });
  }

  /** Which of these tabs do not answer in time. */
  async findSilent(tabIds: readonly string[], withinMs: number): Promise<string[]> {
    const silent = new Set(tabIds);
    if (silent.size === 0) return [];
    const answered = Promise.withResolvers<void>();
    const onPong = (tabId: string): void => {
      silent.delete(tabId);
      if (silent.size === 0) answered.resolve();
    };
    this.#pongs.add(onPong);
    const timer = setTimeout(answered.resolve, withinMs);
    this.#send({ type: "ping", to: [...silent] });
    await answered.promise;
    clearTimeout(timer);
    this.#pongs.delete(onPong);
    return [...silent];
  }

  close(): void {
    this.#channel.close();
  }

  #send(letter: Letter): void {
    try {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel has none
      this.#channel.postMessage(letter);
    } catch (error) {
      // Closed: nobody is left to be told.
      if (!(error instanceof DOMException) || error.name !== "InvalidStateError") throw error;
    }
  }
}

/** Structured cloning keeps neither the class nor the code of an error. */
function pack(value: unknown): unknown {
  if (value instanceof SottoError) {
    const { code, details, requestId } = value;
    return { sottoError: { code, details, requestId } };
  }
  return mapped(value, pack);
}

function unpack(value: unknown): unknown {
  if (typeof value === "object" && value !== null && "sottoError" in value) {
    const { code, ...rest } = value.sottoError as { code: SottoErrorCode; details: unknown };
    return makeError(code, rest);
  }
  return mapped(value, unpack);
}

function mapped(value: unknown, change: (value: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map(change);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, change(item)]));
}
