import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

export type Metrics = ReturnType<typeof createMetrics>;

/** Prometheus metrics of this process, served at `/metrics`. */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: "sotto_" });
  const registers = [registry];
  return {
    registry,
    calls: new Histogram({
      name: "sotto_call_duration_seconds",
      help: "Time from request to answer, by procedure and door",
      labelNames: ["procedure", "door", "outcome"],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
      registers,
    }),
    messages: new Counter({ name: "sotto_messages_stored_total", help: "Messages stored", registers }),
    sendCommits: new Counter({
      name: "sotto_send_commits_total",
      help: "Commits that sends shared",
      registers,
    }),
    delivered: new Counter({
      name: "sotto_entries_delivered_total",
      help: "Log entries handed to sockets, live or read from the database",
      labelNames: ["from"],
      registers,
    }),
    sockets: new Gauge({ name: "sotto_sockets", help: "Open sockets", labelNames: ["door"], registers }),
    closed: new Counter({
      name: "sotto_sockets_closed_total",
      help: "Sockets that the server closed, by close code",
      labelNames: ["code"],
      registers,
    }),
  };
}
