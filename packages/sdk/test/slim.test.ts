/** A slim package is not made when the package is no longer what its `Slim` was written for. */
import { expect, it } from "vitest";
import { slimAge } from "../slim/age.ts";
import { type Slim, buildSlim } from "../slim/build.ts";
import { slimXWing } from "../slim/x-wing.ts";

const slims: [string, Slim][] = [
  [slimAge.from, slimAge],
  [slimXWing.from, slimXWing],
];

it.each(slims)("%s is not made with an import unknown", async (from, slim) => {
  const [unknown, ...dependencies] = slim.dependencies;
  await expect(buildSlim({ ...slim, dependencies })).rejects.toThrow(`${from} imports ${unknown}`);
});

it.each(slims)("%s is not made with a substitute for nothing", async (from, slim) => {
  const substitutes = new Map([...slim.substitutes, ["gone", "age-absent.ts"]] as const);
  await expect(buildSlim({ ...slim, substitutes })).rejects.toThrow(`${from} no longer imports gone`);
});
