import type { Executed, PlanNode } from "./plan-tap.ts";

/** Blocks of 8 KiB that a statement may touch. */
const maxBlocks = 200;
/** Rows that a statement may look at without an index. */
const maxScanned = 200;
/** Rows that a statement may sort at once: a group has 1,000 members, with two devices each. */
const maxSorted = 2_000;

/**
 * Statements that may touch more, known by what stands in them. What they cost grows with what the caller
 * asks for (conversations, members, rows to delete) and not with the tables. The reader of the test is in 105
 * conversations, and in a group of 906.
 */
const allowances: { of: string; maxBlocks: number; why: string }[] = [
  { of: "u.unread from", maxBlocks: 4_000, why: "10,000 entries of each conversation at most" },
  {
    of: "order by m.sent_at, m.seq, m.id limit",
    maxBlocks: 13_000,
    why: "a page of each conversation with news",
  },
  { of: 'as "member_count"', maxBlocks: 1_000, why: "the members of 100 groups are counted" },
  { of: 'order by "id" for update', maxBlocks: 1_000, why: "locks all conversations of a user" },
  {
    of: '"roster_version" = roster_version + 1',
    maxBlocks: 1_200,
    why: "writes all conversations of a user",
  },
  {
    of: 'order by coalesce("c"."last_message_at"',
    maxBlocks: 500,
    why: "all conversations of a user, by time",
  },
  {
    of: "from devices d cross join lateral",
    maxBlocks: 26_000,
    why: "4 look-ups for each device of a group",
  },
  { of: "(values ('delivered'), ('read'))", maxBlocks: 6_500, why: "2 look-ups for each member of a group" },
  {
    of: "for update skip locked",
    maxBlocks: 8_000,
    why: "deletes 500 rows, scattered over table and indexes",
  },
  { of: "with logs as materialized", maxBlocks: 2_000, why: "a step through 100 account logs" },
  { of: 'as "startSeq"', maxBlocks: 800, why: "a position in each conversation of a user" },
  { of: "select distinct a.message_seq", maxBlocks: 3_000, why: "12 blocks for each of 200 that are listed" },
  { of: "and exists (select from attachments a", maxBlocks: 2_500, why: "the same for one device" },
  {
    of: "with recursive chunks",
    maxBlocks: 8_000,
    why: "walks 50,000 messages with attachments, a chunk of 1,000 at a time",
  },
  { of: '"conversation_members" as "mine"', maxBlocks: 800, why: "all conversations of a user" },
];

export interface Judged {
  during: string;
  text: string;
  blocks: number;
  /** Rows that were read from a table without an index, with the table's name. */
  scanned: { rows: number; table: string };
  sorted: number;
}

function nodesOf(plan: PlanNode): PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

function rowsOf(node: PlanNode): number {
  return (node["Actual Rows"] + (node["Rows Removed by Filter"] ?? 0)) * node["Actual Loops"];
}

/** What a statement cost when it ran. */
export function judge(during: string, { text, plan }: Executed): Judged {
  const nodes = nodesOf(plan);
  const scans = nodes
    .filter((node) => node["Node Type"] === "Seq Scan")
    .map((node) => ({ rows: rowsOf(node), table: node["Relation Name"] ?? "" }))
    .toSorted((a, b) => b.rows - a.rows);
  const sorts = nodes.filter((node) => node["Node Type"].endsWith("Sort"));
  return {
    during,
    text: text.replaceAll(/\s+/g, " ").trim(),
    blocks: plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
    scanned: scans[0] ?? { rows: 0, table: "" },
    sorted: Math.max(0, ...sorts.flatMap((node) => (node.Plans ?? []).map((child) => child["Actual Rows"]))),
  };
}

/** The statements that cost too much, each once, the dearest first. */
export function findFaults(judged: Judged[]): string[] {
  const worst = new Map<string, Judged>();
  for (const each of judged.toSorted((a, b) => a.blocks - b.blocks)) worst.set(each.text, each);
  return [...worst.values()]
    .filter((each) => isFault(each))
    .toReversed()
    .map(
      ({ during, text, blocks, scanned, sorted }) =>
        `${during}: ${blocks} blocks, ${scanned.rows} rows of "${scanned.table}" without an index, ${sorted} sorted: ${text}`,
    );
}

function isFault({ text, blocks, scanned, sorted }: Judged): boolean {
  const allowed = allowances.find(({ of }) => text.includes(of))?.maxBlocks ?? maxBlocks;
  return blocks > allowed || scanned.rows > maxScanned || sorted > maxSorted;
}

/** Allowances for statements that are no more. */
export function findUnusedAllowances(judged: Judged[]): string[] {
  return allowances.filter(({ of }) => !judged.some(({ text }) => text.includes(of))).map(({ of }) => of);
}
