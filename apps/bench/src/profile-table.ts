/** A CPU profile as a page of text: where the time went, by function. */
import path from "node:path";

interface ProfileNode {
  id: number;
  callFrame: { functionName: string; url: string; lineNumber: number };
}

/** What is used of Chromium's format; times are microseconds. */
export interface Profile {
  nodes: ProfileNode[];
  samples: number[];
  timeDeltas: number[];
}

const maxRows = 25;
const waiting = new Set(["(idle)", "(program)"]);

export function toProfileTable(name: string, { nodes, samples, timeDeltas }: Profile): string {
  const places = new Map(nodes.map((node) => [node.id, placeOf(node)]));
  const selfUs = new Map<string, number>();
  for (const [at, id] of samples.entries()) {
    const place = places.get(id) ?? "";
    selfUs.set(place, (selfUs.get(place) ?? 0) + (timeDeltas[at] ?? 0));
  }
  const busy = [...selfUs].filter(([place]) => !waiting.has(place)).toSorted(([, a], [, b]) => b - a);
  const totalUs = busy.reduce((total, [, us]) => total + us, 0);
  const rows = busy
    .slice(0, maxRows)
    .map(
      ([place, us]) => `| ${((us / totalUs) * 100).toFixed(1)} % | ${(us / 1000).toFixed(0)} | ${place} |`,
    );
  const head = `# ${name}\n\nJavaScript and its calls: ${(totalUs / 1000).toFixed(0)} ms, by function, the dearest first.`;
  return [head, "", "| Share | ms | Function |", "|---|---|---|", ...rows, ""].join("\n");
}

function placeOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const name = functionName || "(anonymous)";
  if (url === "") return name;
  return `${name} ${url.startsWith("node:") ? url : path.basename(url)}:${lineNumber + 1}`;
}
