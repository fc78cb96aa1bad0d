import { randomInt } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { losing, type EntryWake } from "../lossy-bus.ts";
import { startTestServer, type TestServer } from "../test-server.ts";
import { story, type Story } from "./sdk-model/commands.ts";
import { findViolations } from "./sdk-model/properties.ts";
import { World } from "./sdk-model/world.ts";

const firstSeed = Number(process.env["SDK_SEED"] ?? randomInt(1_000_000));
const runs = Number(process.env["SDK_RUNS"] ?? 200);
const progressEvery = 100;
/** Worlds wait more than they work. */
const atATime = 6;
const limitMs = 60_000;

test(
  `whatever breaks off, dies, comes and goes: everyone reads what they may, once and in order (npm run sdk:model -- --seed ${firstSeed} --runs ${runs})`,
  async () => {
    console.log(`npm run sdk:model -- --seed ${firstSeed} --runs ${runs}`);
    const worlds = new Set<World>();
    const isLost = (wake: EntryWake): boolean => [...worlds].some((world) => world.losesWake(wake));
    await using server = await startTestServer({ wrapBus: losing(isLost) });
    const seeds = Array.from({ length: runs }, (_, at) => firstSeed + at);
    const failures: string[] = [];
    const startedAt = Date.now();
    let done = 0;
    const tellProgress = (): void => {
      if (++done % progressEvery !== 0) return;
      const seconds = Math.round((Date.now() - startedAt) / 1000);
      console.log(`${done} of ${runs} seeds, ${failures.length} failed, ${seconds} s`);
    };
    const work = async (): Promise<void> => {
      for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
        const [one] = fc.sample(story, { seed, numRuns: 1 });
        if (!one) throw new Error("no story");
        const violations = await run(server, worlds, one).catch((error: unknown) => [String(error)]);
        if (violations.length > 0) {
          const failure = `npm run sdk:model -- --seed ${seed} --runs 1\n${violations.join("\n")}`;
          console.log(failure);
          failures.push(failure);
        }
        tellProgress();
      }
    };
    await Promise.all(Array.from({ length: atATime }, work));
    expect(failures.join("\n\n")).toBe("");
  },
  120_000 + runs * 5_000,
);

async function run(
  { url, database }: TestServer,
  worlds: Set<World>,
  { devices, commands }: Story,
): Promise<string[]> {
  await using world = await World.open(url, { devices, commands });
  worlds.add(world);
  const late = new AbortController();
  const tooLate = pause(limitMs, undefined, { signal: late.signal }).then(async () => {
    throw new Error(`after ${limitMs} ms the world still ${world.phase}: ${await world.describe()}`);
  });
  const telling = async (): Promise<string[]> => {
    for (const [at, command] of commands.entries()) {
      world.phase = `runs command ${at}, ${command.kind}`;
      await world.step(command);
    }
    await world.settle();
    return findViolations(world, database.url);
  };
  try {
    return await Promise.race([telling(), tooLate]);
  } catch (error) {
    return [String(error), ...world.devices.flatMap(({ violations }) => violations)];
  } finally {
    late.abort();
    tooLate.catch(() => {});
    worlds.delete(world);
  }
}
