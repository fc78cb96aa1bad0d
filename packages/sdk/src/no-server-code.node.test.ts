/** What an application gets with the SDK: its own bundle, and the packages that are installed with it. */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import { expect, test } from "vitest";
import * as z from "zod";

const root = join(import.meta.dirname, "../../..");
const sdk = join(root, "packages/sdk");
const manifest = z.object({
  dependencies: z.optional(z.record(z.string(), z.string())),
  peerDependencies: z.optional(z.record(z.string(), z.string())),
  peerDependenciesMeta: z.optional(z.record(z.string(), z.object({ optional: z.boolean() }))),
});
const read = (folder: string) =>
  manifest.parse(JSON.parse(readFileSync(join(folder, "package.json"), "utf8")));

/** Where Node finds a package that `folder` imports. */
function find(name: string, folder: string): string {
  const place = join(folder, "node_modules", name);
  if (existsSync(place)) return realpathSync(place);
  if (folder === dirname(folder)) throw new Error(`${name} is not installed`);
  return find(name, dirname(folder));
}

/** Everything that an application installs with a package. */
function treeOf(folder: string, tree = new Set<string>()): Set<string> {
  const { dependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = read(folder);
  for (const name of Object.keys({ ...dependencies, ...peerDependencies })) {
    if (tree.has(name) || peerDependenciesMeta[name]?.optional) continue;
    tree.add(name);
    treeOf(find(name, folder), tree);
  }
  return tree;
}

/** The files whose code is in a bundle, as `packages/…` or `name-of-a-package/…`. */
async function filesOf(entries: string[], platform: "browser" | "node"): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: entries.map((entry) => join(sdk, "src", entry)),
    absWorkingDir: root,
    outdir: root,
    write: false,
    bundle: true,
    splitting: true,
    format: "esm",
    platform,
    conditions: ["@sotto/source", "module"],
    metafile: true,
    logLevel: "silent",
  });
  const used = Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 ? [file] : [])),
  );
  return used.map((file) => file.replace(/^.*node_modules\//, ""));
}

test.each([
  ["browsers", ["index.ts", "browser.ts", "sealed.ts", "webhooks.ts"], "browser"],
  ["Node", ["index.ts", "node.ts", "sealed.ts", "webhooks.ts"], "node"],
] as const)("the bundle for %s has no file of a server", async (_, entries, platform) => {
  const files = await filesOf([...entries], platform);
  expect(files.filter((file) => file.startsWith("apps/"))).toEqual([]);
  const packages = new Set(files.map((file) => /^(@[^/]+\/)?[^/]+/.exec(file)?.[0]));
  const tree = treeOf(sdk);
  // `packages`: the SDK and the schema.
  expect([...packages].filter((name) => name !== "packages" && !tree.has(name ?? ""))).toEqual([]);
  // What tRPC's client itself stands on: no router, no procedure, no door of a server.
  const ofTrpc = files.flatMap((file) => /^@trpc\/server\/dist\/(\w+)/.exec(file)?.[1] ?? []);
  expect(new Set(ofTrpc.toSorted())).toEqual(
    new Set(["asyncGeneratorDelegate", "codes", "getErrorShape", "observable"]),
  );
});

test("of what the server stands on, only what both need is installed with the SDK", () => {
  const { dependencies = {} } = read(join(root, "apps/server"));
  const tree = treeOf(sdk);
  expect(
    Object.keys(dependencies)
      .filter((name) => tree.has(name))
      .toSorted(),
  ).toEqual([
    "@sotto/schema",
    // The peer of tRPC's client: its adapters and its router lie there unused.
    "@trpc/server",
    "hash-wasm",
    "uuid",
    "zod",
  ]);
});
