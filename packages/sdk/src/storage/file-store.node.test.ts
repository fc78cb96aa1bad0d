import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { SottoError } from "../errors.ts";
import { testStore } from "./conformance.ts";
import { canary, catchError, folder, newPath, readFiles, withDatabase } from "./file-store-fixtures.ts";
import { changeFileSecret, fileStore } from "./file-store.ts";
import { encodeValue } from "./value-codec.ts";

const key = new Uint8Array(32).fill(7);
testStore("file store", () => fileStore(newPath(), { key }));
testStore("file store without encryption", () => fileStore(newPath(), { encryption: "none" }));

test("keeps what was committed, readable for its owner only", async () => {
  const path = newPath();
  const store = await fileStore(path, { key });
  await store.commit([{ key: "a", value: { bytes: Uint8Array.of(7) } }]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o600);
  await store.close();
  const again = await fileStore(path, { key });
  expect(await again.get("a")).toEqual({ bytes: Uint8Array.of(7) });
  await again.close();
});

test("a second opener is told that the store is locked, until the first closes", async () => {
  const path = newPath();
  const first = await fileStore(path, { key });
  const refusal = await catchError(() => fileStore(path, { key }));
  expect(refusal instanceof SottoError && refusal.code).toBe("STORE_LOCKED");
  const { code } = await openInChild(path);
  expect(code).toBe("STORE_LOCKED");
  await first.close();
  await (await fileStore(path, { key })).close();
});

test("a process killed in the middle of commits leaves whole commits, and all that were answered", async () => {
  const path = newPath();
  for (let round = 0; round < 4; round++) {
    const answered = await commitUntilKilled(path, 20 + round * 35);
    const store = await fileStore(path, { key });
    const items = await store.list("part/");
    const values = new Set(items.map(({ value }) => value));
    expect(items).toHaveLength(8);
    expect(values.size).toBe(1);
    const [value] = values;
    expect(Number(value)).toBeGreaterThanOrEqual(answered);
    await store.close();
  }
});

test("a passphrase opens the file again, in either Unicode form; another one does not", async () => {
  const path = newPath();
  const store = await fileStore(path, { passphrase: "caf\u00e9 au lait" });
  await store.commit([{ key: "a", value: 1 }]);
  await store.close();
  const again = await fileStore(path, { passphrase: "cafe\u0301 au lait" });
  expect(await again.get("a")).toBe(1);
  await again.close();
  const wrong = [{ passphrase: "cafe au lait" }, { key }, { encryption: "none" }] as const;
  for (const options of wrong) {
    expect(await catchError(() => fileStore(path, options))).toMatchObject({ code: "WRONG_PASSPHRASE" });
  }
  for (const options of [{ passphrase: "" }, { key: key.slice(1) }]) {
    expect(await catchError(() => fileStore(path, options))).toMatchObject({ code: "INVALID_INPUT" });
  }
});

test("nothing of a value is in the files; ids are", async () => {
  const path = newPath();
  const store = await fileStore(path, { key });
  await store.commit([
    { key: "inbox/4711", value: { text: canary, bytes: new TextEncoder().encode(canary) } },
  ]);
  const files = readFiles(path);
  expect(files).not.toContain(canary);
  expect(files).toContain("inbox/4711");
  await store.close();
  expect(readFiles(path)).not.toContain(canary);
});

test("a file that was not encrypted is, and keeps nothing of what was readable", async () => {
  const path = newPath();
  const open = await fileStore(path, { encryption: "none" });
  const values = Array.from({ length: 500 }, (_, at) => ({ key: `n/${at}`, value: `${canary} ${at}` }));
  await open.commit(values);
  await open.commit(values.slice(0, 100).map(({ key }) => ({ key, value: undefined })));
  expect(readFiles(path)).toContain(canary);
  await open.close();
  const store = await fileStore(path, { key });
  expect(readFiles(path)).not.toContain(canary);
  expect(await store.list("")).toHaveLength(400);
  expect(await store.get("n/499")).toBe(`${canary} 499`);
  await store.close();
});

const [old, fresh] = [{ passphrase: "the old one" }, { passphrase: "the new one" }];

test("another passphrase opens what was there; the old one does not, nor what it opened before", async () => {
  const path = newPath();
  const store = await fileStore(path, old);
  await store.commit(Array.from({ length: 50 }, (_, at) => ({ key: `n/${at}`, value: at })));
  expect(await catchError(() => changeFileSecret(path, old, fresh))).toMatchObject({ code: "STORE_LOCKED" });
  await store.close();
  const before = storedBytes(path);
  await changeFileSecret(path, old, fresh);
  expect(await catchError(() => fileStore(path, old))).toMatchObject({ code: "WRONG_PASSPHRASE" });
  const after = readFiles(path);
  expect(before.filter((bytes) => after.includes(bytes))).toEqual([]);
  await changeFileSecret(path, fresh, { key });
  const again = await fileStore(path, { key });
  expect(await again.get("n/49")).toBe(49);
  expect(await again.list("")).toHaveLength(50);
  await again.close();
}, 60_000);

test("a change of the passphrase that is refused, or fails half-way, changes nothing", async () => {
  const path = newPath();
  const store = await fileStore(path, old);
  await store.commit([{ key: "a", value: canary }]);
  await store.close();
  for (const [present, next, code] of [
    [fresh, old, "WRONG_PASSPHRASE"],
    [old, { passphrase: "" }, "INVALID_INPUT"],
  ] as const) {
    expect(await catchError(() => changeFileSecret(path, present, next))).toMatchObject({ code });
  }
  withDatabase(path, (database) =>
    database.exec("create trigger fails before update on header begin select raise(abort, 'half-way'); end"),
  );
  const before = storedBytes(path);
  expect(await catchError(() => changeFileSecret(path, old, fresh))).toMatchObject({
    code: "STORE_FAILED",
    cause: { message: "half-way" },
  });
  expect(storedBytes(path)).toEqual(before);
  const again = await fileStore(path, old);
  expect(await again.get("a")).toBe(canary);
  await again.close();
}, 60_000);

test("a process killed while it changes passphrases leaves one that opens everything", async () => {
  const path = newPath();
  const secrets = [0, 1].map((at) => ({ key: new Uint8Array(32).fill(at) }));
  const store = await fileStore(path, { key: new Uint8Array(32).fill(0) });
  const items = Array.from({ length: 500 }, (_, at) => ({ key: `n/${at}`, value: `${canary} ${at}` }));
  await store.commit(items);
  await store.close();
  let at = 0;
  for (let round = 0; round < 4; round++) {
    await changeUntilKilled(path, at, 3 + round);
    const opened: boolean[] = [];
    for (const secret of secrets) opened.push(await opensWhole(path, secret, items.length));
    expect(opened.filter(Boolean)).toHaveLength(1);
    at = opened.indexOf(true);
  }
}, 60_000);

/** False where the secret is not the file's. */
async function opensWhole(
  path: string,
  secret: { key: Uint8Array<ArrayBuffer> },
  count: number,
): Promise<boolean> {
  const whole = async (): Promise<boolean> => {
    const store = await fileStore(path, secret);
    const items = await store.list("");
    await store.close();
    return items.length === count;
  };
  const answer = await catchError(whole);
  if (answer instanceof SottoError && answer.code === "WRONG_PASSPHRASE") return false;
  if (typeof answer !== "boolean") throw answer;
  return answer;
}

/** The header and every value, as they are stored. */
function storedBytes(path: string): string[] {
  const sql = "select value from header union all select value from items";
  return withDatabase(path, (database) => database.prepare(sql).all()).map(({ value }) =>
    value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : "",
  );
}

test("a file of another kind, and one that cannot be made, are refused with the reason", async () => {
  const path = newPath();
  writeFileSync(path, "Dear diary, ".repeat(1000));
  expect(await catchError(() => fileStore(path, { key }))).toMatchObject({ code: "STORE_DAMAGED" });
  expect(readFileSync(path, "utf8")).toContain("Dear diary");
  const nowhere = join(folder, "no such folder", "a.sotto");
  for (const opening of [
    () => fileStore(nowhere, { key }),
    () => changeFileSecret(nowhere, { key }, { passphrase: "next" }),
  ]) {
    expect(await catchError(opening)).toMatchObject({ code: "STORE_FAILED", cause: { code: "ENOENT" } });
  }
});

test("a value that is damaged is told apart from a failure", async () => {
  const path = newPath();
  await (await fileStore(path, { encryption: "none" })).close();
  withDatabase(path, (database) =>
    database.prepare("insert into items (key, value) values ('a', ?)").run(Uint8Array.of(0xff)),
  );
  const store = await fileStore(path, { encryption: "none" });
  expect(await catchError(() => store.get("a"))).toMatchObject({ code: "STORE_DAMAGED" });
  await store.close();
});

test("what fails in an open store fails with the SDK's error: a full disk, a closed file", async () => {
  const opened = vi.spyOn(DatabaseSync.prototype, "exec");
  const store = await fileStore(newPath(), { key });
  const database = opened.mock.contexts.find((one) => one instanceof DatabaseSync) ?? expect.fail();
  opened.mockRestore();
  await store.commit([{ key: "a", value: 1 }]);
  database.exec("pragma max_page_count = 1");
  const large = [{ key: "b", value: "too much ".repeat(100_000) }];
  expect(await catchError(() => store.commit(large))).toMatchObject({
    code: "STORE_FAILED",
    cause: { errcode: 13 },
  });
  expect(await store.list("")).toEqual([{ key: "a", value: 1 }]);
  database.exec("pragma max_page_count = 4294967294");
  await store.commit(large);
  await store.close();
  for (const call of [() => store.get("a"), () => store.list(""), () => store.commit(large)]) {
    expect(await catchError(call)).toMatchObject({ code: "STORE_FAILED" });
  }
});

test("a file of the first version, which had no header, is opened", async () => {
  const path = newPath();
  const database = new DatabaseSync(path);
  database.exec("pragma journal_mode = wal");
  database.exec("create table items (key text primary key, value blob not null) without rowid");
  database.prepare("insert into items (key, value) values ('a', ?)").run(encodeValue({ text: canary }));
  database.close();
  const store = await fileStore(path, { key });
  expect(await store.get("a")).toEqual({ text: canary });
  await store.close();
  expect(readFiles(path)).not.toContain(canary);
});

const module = JSON.stringify(new URL("file-store.ts", import.meta.url).href);

function runChild(script: string) {
  const flags = ["--conditions=@sotto/source", "--no-warnings", "--input-type=module", "--eval", script];
  return spawn(process.execPath, flags, { stdio: ["ignore", "pipe", "inherit"] });
}

/** Writes eight keys with the same growing number in each commit; gives the last number it was answered for. */
async function commitUntilKilled(path: string, afterCommits: number): Promise<number> {
  const child = runChild(`
    const { fileStore } = await import(${module});
    const store = await fileStore(${JSON.stringify(path)}, { key: new Uint8Array(32).fill(7) });
    let n = Number((await store.get("part/0")) ?? 0);
    while (true) {
      n++;
      await store.commit(Array.from({ length: 8 }, (_, at) => ({ key: "part/" + at, value: n })));
      process.stdout.write(n + "\\n");
      if (n % 10 === 0) await new Promise(setImmediate);
    }
  `);
  const exited = once(child, "exit");
  let output = "";
  for await (const chunk of child.stdout) {
    output += String(chunk);
    if (output.split("\n").length > afterCommits) child.kill("SIGKILL");
  }
  await exited;
  const whole = output.slice(0, output.lastIndexOf("\n")).split("\n");
  return Number(whole.at(-1));
}

/** Goes to and fro between two keys; killed a few milliseconds after so many changes. */
async function changeUntilKilled(path: string, from: number, changes: number): Promise<void> {
  const child = runChild(`
    const { changeFileSecret } = await import(${module});
    const secrets = [0, 1].map((at) => ({ key: new Uint8Array(32).fill(at) }));
    for (let at = ${from}; ; at = 1 - at) {
      await changeFileSecret(${JSON.stringify(path)}, secrets[at], secrets[1 - at]);
      process.stdout.write(".");
    }
  `);
  const exited = once(child, "exit");
  let done = 0;
  for await (const chunk of child.stdout) {
    done += String(chunk).length;
    if (done >= changes) child.kill("SIGKILL");
  }
  await exited;
}

async function openInChild(path: string): Promise<{ code: string }> {
  const child = runChild(`
    const { fileStore } = await import(${module});
    try { await fileStore(${JSON.stringify(path)}, { encryption: "none" }); console.log("opened"); } catch (error) { console.log(error.code); }
  `);
  let output = "";
  for await (const chunk of child.stdout) output += String(chunk);
  return { code: output.trim() };
}

test("a signal that aborts ends the opening, and a change of the secret, which then has not happened", async () => {
  const path = newPath();
  const passphrase = "present";
  const store = await fileStore(path, { passphrase });
  await store.commit([{ key: "a", value: 1 }]);
  await store.close();
  const calls = [
    (signal: AbortSignal) => fileStore(path, { passphrase }, { signal }),
    (signal: AbortSignal) => changeFileSecret(path, { passphrase }, { passphrase: "next" }, { signal }),
    (signal: AbortSignal) => changeFileSecret(path, { passphrase }, { key }, { signal }),
  ];
  for (const call of calls) {
    await expect(call(AbortSignal.abort())).rejects.toMatchObject({ code: "ABORTED" });
    const caller = new AbortController();
    const calling = call(caller.signal);
    caller.abort();
    await expect(calling).rejects.toMatchObject({ code: "ABORTED" });
  }
  await expect(fileStore(newPath(), { key }, { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: "ABORTED",
  });
  const again = await fileStore(path, { passphrase });
  expect(await again.get("a")).toBe(1);
  await again.close();
}, 60_000);
