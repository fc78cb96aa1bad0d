/**
 * Every exported name says what it is, and everything that can be called shows how. That the examples compile is for
 * `examples.node.test.ts`.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

const here = import.meta.dirname;
const entries = ["index.ts", "sealed.ts", "browser.ts", "node.ts", "webhooks.ts"];
const modules: Record<string, string> = { "@sotto/schema": join(here, "../../schema/src/index.ts") };
/** What a client's methods are declared in. */
const surface = [
  "Client",
  "Conversations",
  "Conversation",
  "Groups",
  "Group",
  "Contacts",
  "Devices",
  "Pin",
  "Files",
  "IdentityApi",
  "Backup",
];

const comment = String.raw`(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n *)?`;

interface Exported {
  entry: string;
  name: string;
  path: string;
}

/** The names that a file exports, each with the file where it is declared. */
function exportsOf(path: string): { name: string; path: string }[] {
  const source = readFileSync(path, "utf8");
  const place = (module: string) => modules[module] ?? join(dirname(path), module);
  const passedOn = [...source.matchAll(/^export (?:type )?\{([^}]*)\}(?: from "([^"]+)")?;/gm)].flatMap(
    ([, names = "", module]) =>
      namesOf(names).map((name) => find(name, place(module ?? importedFrom(source, name)))),
  );
  const all = [...source.matchAll(/^export \* from "([^"]+)";/gm)].flatMap(([, module = ""]) =>
    exportsOf(place(module)),
  );
  const declared = source.matchAll(/^export (?:async )?(?:const|function|class|interface|type) (\w+)/gm);
  return [...passedOn, ...all, ...[...declared].map(([, name = ""]) => ({ name, path }))];
}

/** Of `type A, B as C`: as they are called where they come from. */
const namesOf = (list: string): string[] =>
  [...list.matchAll(/(?:type )?(\w+)(?: as \w+)?/g)].map(([, name = ""]) => name);

function importedFrom(source: string, name: string): string {
  const imports = [...source.matchAll(/^import (?:type )?\{([^}]*)\} from "([^"]+)";/gm)];
  return imports.find(([, names = ""]) => namesOf(names).includes(name))?.[2] ?? "";
}

function find(name: string, path: string): { name: string; path: string } {
  const found = exportsOf(path).find((one) => one.name === name);
  if (!found) throw new Error(`${name} is not in ${path}`);
  return found;
}

const ownExport = (name: string): Exported =>
  exported.find((one) => one.name === name && one.path.startsWith(here)) ?? expect.fail(name);

const exported: Exported[] = entries.flatMap((entry) =>
  exportsOf(join(here, entry)).map(({ name, path }) => ({ entry, name, path })),
);

/** The comment in front of a declaration, what declares it, and the rest of its file. */
function declarationOf({ name, path }: Pick<Exported, "name" | "path">) {
  const declaration = new RegExp(
    String.raw`^${comment}export (?:async )?(const|function|class|interface|type) ${name}\b([\s\S]*)`,
    "m",
  );
  const [, doc = "", kind = "", rest = ""] = declaration.exec(readFileSync(path, "utf8")) ?? [];
  return { doc, kind, rest };
}

/** The methods of an interface, each with the comment in front of it. */
function methodsOf(rest: string): { name: string; doc: string }[] {
  const body = rest.slice(0, rest.indexOf("\n}"));
  const methods = body.matchAll(new RegExp(String.raw`^ {2}${comment}(\w+)(?:<[^(]*>)?\(`, "gm"));
  return [...methods].map(([, doc = "", name = ""]) => ({ name, doc }));
}

const isShown = (doc: string, name: string): boolean => {
  const [, ...examples] = doc.split("@example");
  return examples.some((example) => new RegExp(String.raw`\b${name}\(`).test(example));
};

test("every exported name has a comment", () => {
  expect(exported.length).toBeGreaterThan(100);
  const silent = exported.filter((one) => declarationOf(one).doc.trim() === "");
  expect(silent.map(({ entry, name }) => `${entry}: ${name}`)).toEqual([]);
});

test("every exported function has an example, its own or that of its entry", () => {
  const functions = exported.filter((one) => declarationOf(one).kind === "function");
  expect(functions.length).toBeGreaterThan(10);
  const unshown = functions.filter(({ entry, name, path }) => {
    const [head = ""] = readFileSync(join(here, entry), "utf8").split("*/");
    return !isShown(declarationOf({ name, path }).doc, name) && !isShown(head, name);
  });
  expect(unshown.map(({ entry, name }) => `${entry}: ${name}`)).toEqual([]);
});

test("every method of a client has a comment, and an example, its own or that of its interface", () => {
  const lacking = surface.flatMap((name) => {
    const { doc, rest } = declarationOf(ownExport(name));
    const methods = methodsOf(rest);
    expect(methods.length, name).toBeGreaterThan(0);
    return methods
      .filter((method) => method.doc.trim() === "" || !isShown(method.doc + doc, method.name))
      .map((method) => `${name}.${method.name}`);
  });
  expect(lacking).toEqual([]);
});
