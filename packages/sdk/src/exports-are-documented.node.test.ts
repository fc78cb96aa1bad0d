/**
 * Every exported name says what it is, everything that can be called shows how, and whatever takes its time says what it
 * throws. That the examples compile is for `examples.node.test.ts`.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { contract } from "@sotto/schema";
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

/** "Throws nothing of its own": but what the comment of `Client` says of all calls. */
const saysWhatItThrows = (doc: string): boolean => /\bthrows\b|\bfails with\b|\bbreaks off with\b/i.test(doc);

test("every method of a client says what it throws, and so does every function that takes its time", () => {
  const methods = surface.flatMap((name) =>
    methodsOf(declarationOf(ownExport(name)).rest)
      .filter((method) => method.name !== "on" && !saysWhatItThrows(method.doc))
      .map((method) => `${name}.${method.name}`),
  );
  const functions = exported.filter((one) => {
    const { doc, kind, rest } = declarationOf(one);
    const [signature = ""] = rest.split(/ \{\n/);
    return kind === "function" && signature.includes("): Promise<") && !saysWhatItThrows(doc);
  });
  expect([...methods, ...functions.map(({ entry, name }) => `${entry}: ${name}`)]).toEqual([]);
});

/** Where methods call the server themselves, and what those are declared in. */
const callers: Record<string, string[]> = {
  "client.ts": ["Client"],
  "contacts.ts": ["Contacts"],
  "conversation.ts": ["Conversation"],
  "groups.ts": ["Groups", "Group"],
  "pin.ts": ["Pin"],
};
/** What the types keep from being asked for. */
const excluded = new Set(["setRole: ROLE_INVALID", "deleteMessage: NOT_A_GROUP_MESSAGE"]);

test("a method names each refusal that the contract has for what it calls", () => {
  const table: Record<string, Record<string, { errors: readonly string[] }>> = contract;
  const lacking: string[] = [];
  let calls = 0;
  for (const [file, names] of Object.entries(callers)) {
    const docs = new Map(
      names.flatMap((name) => {
        const { doc, rest } = declarationOf(ownExport(name));
        return methodsOf(rest).map((method) => [method.name, doc + method.doc] as const);
      }),
    );
    let method = "";
    for (const line of readFileSync(join(here, file), "utf8").split("\n")) {
      const [, begun = ""] = /^ {2,4}(?:async )?(\w+)(?:: (?:async )?)?\(/.exec(line) ?? [];
      if (docs.has(begun)) method = begun;
      const [, area = "", procedure = ""] = /\bserver\.(\w+)\.(\w+)\.(?:query|mutate)\(/.exec(line) ?? [];
      if (area === "") continue;
      calls++;
      for (const code of table[area]?.[procedure]?.errors ?? expect.fail(`${area}.${procedure}`)) {
        const isNamed = docs.get(method)?.includes(`\`${code}\``) || excluded.has(`${method}: ${code}`);
        if (!isNamed) lacking.push(`${method}: ${code}`);
      }
    }
  }
  expect(calls).toBeGreaterThan(20);
  expect(lacking).toEqual([]);
});
