import { tokenFor, type Target } from "./target.ts";
import { WsReader } from "./ws-reader.ts";

interface CatchUpInput {
  target: Target;
  person: number;
  log: string;
  /** An ack is sent after so many entries. */
  ackEvery: number;
}

export interface CatchUpResult {
  entries: number;
  elapsedMs: number;
}

/** Resumes, and acknowledges what comes until it is level. Throws when a number is missing or comes twice. */
export async function catchUp({ target, person, log, ackEvery }: CatchUpInput): Promise<CatchUpResult> {
  let entries = 0;
  let last = 0;
  const level = Promise.withResolvers<void>();
  const startedAt = performance.now();
  using reader = await WsReader.open({
    url: target.url,
    path: `/ws?resume=1&token=${tokenFor(target, person)}`,
    onText: (payload) => {
      if (payload.includes('"caught_up"')) return level.resolve();
      const at = payload.lastIndexOf(',"seq":');
      const seq = Number(payload.toString("latin1", at + 7, payload.length - 1));
      if (!payload.includes(log)) return undefined;
      if (last !== 0 && seq !== last + 1) level.reject(new Error(`${seq} came after ${last}`));
      last = seq;
      if (++entries % ackEvery === 0) reader.send(JSON.stringify({ type: "ack", log, seq }));
      return undefined;
    },
  });
  void reader.closed.then((code) => level.reject(new Error(`The socket was closed with ${code}`)));
  await level.promise;
  return { entries, elapsedMs: performance.now() - startedAt };
}
