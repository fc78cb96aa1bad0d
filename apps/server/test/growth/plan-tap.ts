import { connect, createServer, type AddressInfo } from "node:net";
import { runSql } from "../sql.ts";

/** A node of a plan as PostgreSQL's JSON gives it. */
export interface PlanNode {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Actual Rows": number;
  "Actual Loops": number;
  "Rows Removed by Filter"?: number;
  "Rows Removed by Index Recheck"?: number;
  "Shared Hit Blocks": number;
  "Shared Read Blocks": number;
  Plans?: PlanNode[];
}

export interface Executed {
  text: string;
  plan: PlanNode;
}

export interface PlanTap extends AsyncDisposable {
  /** The database by way of the tap. */
  url: string;
  /** Every statement that ran since the last call, with its plan as executed. */
  take: () => Executed[];
}

/**
 * Stands between a server and its PostgreSQL and reads along: `auto_explain` tells each connection, as
 * a notice, how its statement was executed. So nothing that asks the database is left out.
 */
export async function tapPlans(url: string): Promise<PlanTap> {
  const { hostname, port, pathname } = new URL(url);
  const name = pathname.slice(1);
  const settings = {
    session_preload_libraries: "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
    jit: "off",
  };
  for (const [setting, value] of Object.entries(settings)) {
    await runSql(url, `alter database ${name} set ${setting} = '${value}'`);
  }
  let executed: Executed[] = [];
  const server = createServer((client) => {
    const database = connect(Number(port), hostname);
    // Each answer is a few small writes.
    client.setNoDelay();
    database.setNoDelay();
    client.pipe(database).pipe(client);
    database.on(
      "data",
      readMessages((text) => void executed.push(...parseNotice(text))),
    );
    for (const [socket, other] of [
      [client, database],
      [database, client],
    ] as const) {
      socket.on("error", () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const tapped = new URL(url);
  tapped.hostname = "127.0.0.1";
  tapped.port = String((server.address() as AddressInfo).port);
  return {
    url: tapped.href,
    take: () => {
      const taken = executed;
      executed = [];
      return taken;
    },
    [Symbol.asyncDispose]: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}

/** Gives the text of each notice among the messages of the database: a type, a length, and fields. */
function readMessages(onNotice: (text: string) => void): (bytes: Buffer) => void {
  let left: Buffer = Buffer.alloc(0);
  return (bytes) => {
    left = left.length === 0 ? bytes : Buffer.concat([left, bytes]);
    while (left.length >= 5 && left.length > left.readUInt32BE(1)) {
      const end = 1 + left.readUInt32BE(1);
      if (left[0] === 0x4e) {
        const fields = left.subarray(5, end).toString().split("\0");
        onNotice(fields.find((field) => field.startsWith("M"))?.slice(1) ?? "");
      }
      left = left.subarray(end);
    }
  };
}

function parseNotice(text: string): Executed[] {
  const json = /^duration: .*plan:\n([\s\S]*)$/.exec(text)?.[1];
  if (!json) return [];
  const { "Query Text": query, Plan: plan } = JSON.parse(json) as { "Query Text": string; Plan: PlanNode };
  return [{ text: query, plan }];
}
