// npm run sdk:model: the seeded model test of the SDK, for many seeds.
import { spawn, spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { constants } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { failWith } from "./fail.mjs";
import { root } from "./places.mjs";
import { prepare, toolEnv } from "./prepare.mjs";

const help = `npm run sdk:model -- [--runs N] [--seed N] [--jobs N]

Runs the model test of the SDK (apps/server/test/scenarios/sdk-model.test.ts): several users with several devices
against a real server, with cut sockets, crashes, lost wakes, lost answers, devices and members that come and go.

  --runs N   how many seeds, one after the other from the first on; 200 unless given
  --seed N   the first seed; a random one unless given
  --jobs N   how many runs at once, each with its part of the seeds and a server of its own; 1 unless given
  --help     this text

It prints its first seed, how far it is, and for each seed that failed what does not hold and how to run that one
again. A hundred seeds take about a minute; several runs at once take less in all where the machine has the cores.
`;
const maxSeed = 2 ** 31;
const maxRandomSeed = 1_000_000;

const { values } = readOptions();
if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}
const runs = readCount("runs", values.runs);
const jobs = Math.min(runs, readCount("jobs", values.jobs));
const seed = values.seed === undefined ? randomInt(maxRandomSeed) : readCount("seed", values.seed);
const node = await prepare().catch((error) => failWith(error.message));
const test = "apps/server/test/scenarios/sdk-model.test.ts";
const children = Array.from({ length: jobs }, (_, job) => {
  const first = Math.floor((runs * job) / jobs);
  const end = Math.floor((runs * (job + 1)) / jobs);
  return spawn(join(root, "node_modules", ".bin", "vitest"), ["run", "--project", "server", test], {
    cwd: root,
    env: { ...toolEnv(node), SDK_RUNS: String(end - first), SDK_SEED: String(seed + first) },
    stdio: "inherit",
    shell: process.platform === "win32",
  });
});
// The terminal sends its signals to the tests as well; here they must only not end the wait for them.
for (const signal of ["SIGINT", "SIGHUP"]) process.on(signal, () => {});
process.on("SIGTERM", () => children.forEach((child) => child.kill("SIGTERM")));
const codes = await Promise.all(
  children.map(async (child) => {
    child.once("error", (error) => failWith(`The test could not be started: ${error.message}`));
    const [code, signal] = await once(child, "exit");
    return code ?? 128 + constants.signals[signal];
  }),
);
// A run that was ended does not stop its servers itself.
spawnSync(node, [join(root, "apps", "server", "test", "leftovers.ts")], { stdio: "inherit" });
process.exit(codes.find((code) => code !== 0) ?? 0);

function readOptions() {
  const options = {
    runs: { type: "string", default: "200" },
    seed: { type: "string" },
    jobs: { type: "string", default: "1" },
    help: { type: "boolean", short: "h" },
  };
  try {
    return parseArgs({ options });
  } catch (error) {
    return failWith(`${error.message}\n\n${help}`);
  }
}

function readCount(name, text) {
  const count = Number(text);
  const isGood = /^\d+$/.test(text) && count <= maxSeed && (name === "seed" || count > 0);
  return isGood ? count : failWith(`--${name} takes a whole number.\n\n${help}`);
}
