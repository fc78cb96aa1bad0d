import type { Json } from "./rest-client.ts";
import { WsClient } from "./ws-client.ts";

/**
 * A third-party client on `/ws?resume=1` as PROTOCOL.md tells it to be: keeps its own positions,
 * drops what it has, acknowledges what it has stored, and is cut off now and then. Throws when a
 * log's numbers leave a hole or go back within one connection.
 */
export class ResumingReader {
  /** What the application was given, by log, in order. */
  readonly applied = new Map<string, Json[]>();
  readonly #positions = new Map<string, number>();
  readonly #url: string;
  readonly #token: string;

  connections = 0;
  repeated = 0;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  /** Connects until `until` holds; `shouldCut` is asked after each entry. */
  async run(options: {
    until: () => boolean;
    shouldCut?: () => boolean;
    ack?: () => boolean;
  }): Promise<void> {
    const { until, shouldCut = () => false, ack = () => true } = options;
    while (!until()) {
      await using client = await WsClient.connect(this.#url, { token: this.#token, resume: true });

      this.connections++;
      const seen = new Map<string, number>();
      let taken = 0;
      let isCut = false;
      const take = (): boolean => {
        while (taken < client.frames.length && !isCut) {
          const frame = client.frames[taken++] ?? {};
          if (typeof frame["seq"] !== "number") continue;
          this.#apply(frame, seen);
          if (ack()) client.send({ type: "ack", log: frame["log"], seq: frame["seq"] });
          if (shouldCut()) isCut = true;
        }
        return isCut || until();
      };
      // The server may close it, for reading too slowly or to shut down.
      await Promise.race([client.until("all entries or a cut", take), client.closed]);
      if (isCut) client.cut();
    }
  }

  #apply(frame: Json, seen: Map<string, number>): void {
    const log = String(frame["log"]);
    const seq = Number(frame["seq"]);
    const before = seen.get(log);
    if (before !== undefined && seq !== before + 1) {
      throw new Error(`log ${log}: ${seq} came after ${before}`);
    }
    seen.set(log, seq);
    const position = this.#positions.get(log);
    if (position !== undefined && seq <= position) {
      this.repeated++;
      return;
    }
    if (position !== undefined && seq !== position + 1)
      throw new Error(`log ${log}: ${seq} follows ${position}`);
    this.#positions.set(log, seq);
    const entries = this.applied.get(log) ?? [];
    entries.push(frame);
    this.applied.set(log, entries);
  }
}
