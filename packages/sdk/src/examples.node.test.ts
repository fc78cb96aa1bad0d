import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { afterAll, expect, test } from "vitest";

const repository = join(import.meta.dirname, "../../..");
const cache = join(repository, "packages/sdk/.cache");
mkdirSync(cache, { recursive: true });
const folder = mkdtempSync(join(cache, "examples-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ofMain =
  'import { SottoError, createClient, decryptFile, encryptFile, memoryStore, type Message } from "@sotto/sdk";';
/** Where what an example names comes from, where not from the main entry. */
const entries: Record<string, string> = {
  directorySpool: "@sotto/sdk/node",
  changeFileSecret: "@sotto/sdk/node",
  fileStore: "@sotto/sdk/node",
  indexedDbStore: "@sotto/sdk/browser",
};
const importFor = (name: string, code: string): string =>
  code.includes(`${name}(`) && !code.includes(`import { ${name} }`)
    ? `import { ${name} } from "${entries[name]}";`
    : "";

/** What an example takes as given. */
const given = `
import type { Client, Conversation, Group, Message, SottoError, Store } from "@sotto/sdk";
declare global {
  const client: Client;
  const oldClient: Client;
  const newClient: Client;
  const conversation: Conversation;
  const group: Group;
  const peerUserId: string;
  const aliceUserId: string;
  const bobUserId: string;
  const groupId: string;
  const store: Store;
  function askUser(): Promise<string>;
  function askPassphrase(): Promise<string>;
  function sleep(ms: number): Promise<void>;
}
`;

const fence = /^( *(?:\* )?)```ts\n([\s\S]*?)^\1```/gm;

function examplesIn(path: string): { name: string; code: string }[] {
  const text = readFileSync(join(repository, path), "utf8");
  return [...text.matchAll(fence)].map(([, margin = "", code = ""], at) => ({
    name: `${path.replaceAll(/[/.]/g, "-")}-${at}.ts`,
    code: code.replaceAll(new RegExp(`^${margin.trimEnd().replaceAll("*", "\\*")} ?`, "gm"), ""),
  }));
}

test("the examples of the pages and of the exports compile", () => {
  const sources = globSync("packages/sdk/src/**/*.ts", { cwd: repository }).filter(
    (path) => !/\.test\.ts$|\/(crypto|api)\//.test(path),
  );
  const examples = ["README.md", "docs/SDK.md", ...sources].flatMap((path) => examplesIn(path));
  expect(examples.length).toBeGreaterThan(15);
  writeFileSync(join(folder, "given.d.ts"), given);
  for (const { name, code } of examples) {
    const hasImports = code.includes('from "@sotto/sdk"');
    const imports = [hasImports ? "" : ofMain, ...Object.keys(entries).map((name) => importFor(name, code))];
    writeFileSync(join(folder, name), `${imports.join("\n")}\n${code}\nexport {};\n`);
  }
  const config = {
    extends: relative(folder, join(repository, "packages/sdk/tsconfig.json")),
    compilerOptions: { noEmit: true, noUnusedLocals: false, types: ["node"] },
    include: ["*.ts"],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  const compiled = spawnSync(
    process.execPath,
    [join(repository, "node_modules/typescript/bin/tsc"), "-p", folder],
    { encoding: "utf8" },
  );
  expect(compiled.stdout + compiled.stderr).toBe("");
}, 60_000);
