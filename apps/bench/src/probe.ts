// Loaded by `--import` into each Node process that is measured: answers over IPC what it has used.
import { Session } from "node:inspector/promises";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

export interface Usage {
  /** User and system time since the process began. */
  cpuMs: number;
  /** After a collection of garbage. */
  heapBytes: number;
  rssBytes: number;
}

export type ProbeQuestion =
  | { probe: "usage"; id: number; collects: boolean }
  | { probe: "start_profile"; id: number }
  | { probe: "stop_profile"; id: number; file: string };

setFlagsFromString("--expose-gc");
const collectGarbage: unknown = runInNewContext("gc");
const session = new Session();

function readUsage(collects: boolean): Usage {
  if (collects && typeof collectGarbage === "function") for (let i = 0; i < 2; i++) collectGarbage();
  const { user, system } = process.cpuUsage();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { cpuMs: (user + system) / 1000, heapBytes: heapUsed + external, rssBytes: rss };
}

async function answer(question: ProbeQuestion): Promise<unknown> {
  switch (question.probe) {
    case "usage":
      return readUsage(question.collects);
    case "start_profile":
      session.connect();
      await session.post("Profiler.enable");
      await session.post("Profiler.start");
      return true;
    case "stop_profile": {
      const { profile } = await session.post("Profiler.stop");
      session.disconnect();
      await mkdir(dirname(question.file), { recursive: true });
      await writeFile(question.file, JSON.stringify(profile));
      return true;
    }
  }
}

process.on("message", (question: ProbeQuestion) => {
  if (!("probe" in question)) return;
  void answer(question).then((result) => process.send?.({ probe: true, id: question.id, result }));
});
// Left behind by a killed bench, it would go on using the machine.
process.once("disconnect", () => process.exit());
process.channel?.unref();
