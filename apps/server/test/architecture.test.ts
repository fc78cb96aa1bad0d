import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

const root = path.join(import.meta.dirname, "../../..");
const server = "apps/server/src";

interface Import {
  /** A file of ours from the root, or the package's name as it is written. */
  target: string;
  /** Erased before anything runs. */
  isType: boolean;
}

interface Source {
  file: string;
  imports: Import[];
}

const statements =
  /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[\w*{][^;'"]*?\sfrom\s+)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/g;

function readSource(file: string): Source {
  const text = readFileSync(path.join(root, file), "utf8");
  const imports = [...text.matchAll(statements)].map(([, type, from = "", dynamic = ""]) => {
    const target = from || dynamic;
    const isOurs = target.startsWith(".");
    return {
      target: isOurs ? path.posix.join(path.posix.dirname(file), target) : target,
      isType: type !== undefined,
    };
  });
  return { file, imports };
}

function listSources(folder: string): Source[] {
  return globSync("**/*.{ts,tsx}", { cwd: path.join(root, folder) })
    .map((file) => path.posix.join(folder, file.replaceAll(path.sep, "/")))
    .filter((file) => !/\.test\.tsx?$/.test(file))
    .map(readSource);
}

const sources = listSources(server);
const isOurs = ({ target }: Import): boolean => target.startsWith("apps/") || target.startsWith("packages/");
const moduleOf = (file: string): string => /^apps\/server\/src\/modules\/(\w+)\//.exec(file)?.[1] ?? "";

/** "file → target" for every import that a rule does not allow. */
function findBroken(files: Source[], isAllowed: (imported: Import, from: Source) => boolean): string[] {
  return files.flatMap((from) =>
    from.imports
      .filter((imported) => !isAllowed(imported, from))
      .map((imported) => `${from.file} → ${imported.target}`),
  );
}

const named = (role: string): Source[] => sources.filter(({ file }) => file.endsWith(`.${role}.ts`));

test("the sources and their imports are seen", () => {
  expect(sources.length).toBeGreaterThan(50);
  for (const role of ["router", "service", "queries", "tables"])
    expect(named(role).length).toBeGreaterThan(3);
  const imports = sources.flatMap((source) => source.imports);
  expect(imports.length).toBeGreaterThan(200);
  expect(imports.filter(({ isType }) => isType).length).toBeGreaterThan(50);
  for (const { target } of imports.filter(isOurs)) {
    expect(existsSync(path.join(root, target)), target).toBe(true);
  }
});

test("routers import services alone, and the pipeline's types", () => {
  const broken = findBroken(
    named("router"),
    ({ target, isType }) =>
      target.endsWith(".service.ts") || (isType && target.startsWith(`${server}/pipeline/`)),
  );
  expect(broken).toEqual([]);
});

test("services import neither routers nor another module's queries", () => {
  const broken = findBroken(
    sources.filter(({ file }) => moduleOf(file) && !/\.(queries|router|tables)\.ts$/.test(file)),
    ({ target, isType }, { file }) =>
      isType ||
      (!target.endsWith(".router.ts") &&
        (!target.endsWith(".queries.ts") || moduleOf(target) === moduleOf(file))),
  );
  expect(broken).toEqual([]);
});

test("queries import the database, tables, pure types, and packages", () => {
  const broken = findBroken(
    named("queries"),
    (imported) =>
      !isOurs(imported) ||
      imported.isType ||
      imported.target.startsWith(`${server}/db/`) ||
      imported.target.endsWith(".tables.ts"),
  );
  expect(broken).toEqual([]);
});

test("tables import types alone", () => {
  expect(findBroken(named("tables"), ({ isType }) => isType)).toEqual([]);
});

test("modules, pipeline, bus and database know no transport", () => {
  const broken = findBroken(
    sources.filter(({ file }) => /^apps\/server\/src\/(modules|pipeline|bus|db)\//.test(file)),
    ({ target }) => !target.startsWith(`${server}/transport/`),
  );
  expect(broken).toEqual([]);
});

test("the database knows no rules: of the modules and the pipeline only the tables' types", () => {
  const broken = findBroken(
    sources.filter(({ file }) => file.startsWith(`${server}/db/`)),
    ({ target, isType }) =>
      !/^apps\/server\/src\/(modules|pipeline)\//.test(target) || (isType && target.endsWith(".tables.ts")),
  );
  expect(broken).toEqual([]);
});

test("only config and main read the environment", () => {
  // PATH goes on to initdb and postgres, which are found by it.
  const allowed = new Set(
    ["config.ts", "main.ts", "commands/main.ts", "db/postgres-cluster.ts"].map((file) => `${server}/${file}`),
  );
  const readers = sources
    .filter(({ file }) => /process\.env|import\.meta\.env/.test(readFileSync(path.join(root, file), "utf8")))
    .map(({ file }) => file);
  expect(readers.filter((file) => !allowed.has(file))).toEqual([]);
});

const workspaces = ["packages/schema", "packages/sdk", "packages/react", "apps/server", "apps/web"].filter(
  (folder) => existsSync(path.join(root, folder, "src")),
);

test.each(workspaces)("%s has no import cycles", (folder) => {
  expect(findCycles(listSources(`${folder}/src`))).toEqual([]);
});

function findCycles(files: Source[]): string[] {
  const byFile = new Map(files.map((source) => [source.file, source]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, trail: string[]): void => {
    if (trail.includes(file)) {
      cycles.push([...trail.slice(trail.indexOf(file)), file].join(" → "));
      return;
    }
    if (done.has(file)) return;
    for (const { target, isType } of byFile.get(file)?.imports ?? []) {
      if (!isType && byFile.has(target)) visit(target, [...trail, file]);
    }
    done.add(file);
  };
  for (const { file } of files) visit(file, []);
  return cycles;
}

const to = (target: string): Import[] => [{ target, isType: false }];

test("a cycle would be found", () => {
  const files = [
    { file: "a", imports: to("b") },
    { file: "b", imports: to("c") },
    { file: "c", imports: to("a") },
  ];
  expect(findCycles(files)).toEqual(["a → b → c → a"]);
});

/** What a workspace may import of the others. */
const mayImport: Record<string, RegExp> = {
  "packages/schema": /^$/,
  "packages/sdk": /^@sotto\/schema(\/domains)?$/,
  "packages/react": /^@sotto\/(sdk|schema)(\/|$)/,
  "apps/server": /^@sotto\/schema$/,
  "apps/web": /^@sotto\/(sdk|react)(\/|$)/,
};

test.each(workspaces)("%s imports of the other workspaces what it may", (folder) => {
  const broken = findBroken(listSources(`${folder}/src`), ({ target }) => {
    if (target.startsWith("@sotto/")) return mayImport[folder]?.test(target) ?? false;
    const isPath = target.startsWith("apps/") || target.startsWith("packages/");
    return !isPath || target.startsWith(`${folder}/`);
  });
  expect(broken).toEqual([]);
});
