import { toLatency, type Latency } from "../statistics.ts";
import { HttpConnection, writeRequest } from "./http-connection.ts";
import { tokenFor, type Target } from "./target.ts";

interface ReadInput {
  target: Target;
  person: number;
  /** Paths that are asked for in turn. */
  paths: string[];
  durationMs: number;
}

/** One request at a time. */
export async function read({ target, person, paths, durationMs }: ReadInput): Promise<Latency> {
  using connection = await HttpConnection.open(target.url);
  const token = tokenFor(target, person);
  const requests = paths.map((path) => writeRequest(`GET ${path}`, token));
  const samples: number[] = [];
  const startedAt = performance.now();
  for (let k = 0; performance.now() - startedAt < durationMs; k++) {
    const sentAt = performance.now();
    const { status, body } = await connection.request(requests[k % requests.length] ?? "");
    if (status !== 200) throw new Error(`${paths[k % paths.length]} was answered ${status} ${body}`);
    samples.push(performance.now() - sentAt);
  }
  return toLatency(samples);
}
