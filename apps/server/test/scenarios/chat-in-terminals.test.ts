import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { AppProcess } from "../app-process.ts";
import { randomPhone } from "../rest-client.ts";
import { Proxy } from "../proxy.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

const folder = mkdtempSync(join(tmpdir(), "sotto-chat-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const passphrase = "at the harbour";

interface Person {
  phone: string;
  url: string;
  store: string;
  to?: string;
}

function launch({ phone, url, store, to }: Person): AppProcess {
  const args = ["--phone", phone, "--url", url, "--store", join(folder, store)];
  if (to !== undefined) args.push("--to", to);
  return new AppProcess("chat", { args, env: { SOTTO_PASSPHRASE: passphrase }, cwd: folder });
}

/** Signs a new person in: Enter takes the code of the development server. */
async function signUp(person: Person): Promise<AppProcess> {
  const chat = launch(person);
  await chat.until("Code:");
  chat.type("");
  await chat.until("Ready.");
  return chat;
}

test("two terminals talk: texts, states, replies, edits, reactions, files, groups", async () => {
  await using server = await startTestServer();
  const { url } = server;
  const [ada, bob] = [randomPhone(), randomPhone()];
  await using a = await signUp({ phone: ada, url, store: "ada" });
  await using b = await signUp({ phone: bob, url, store: "bob" });
  a.type(`/open ${bob}`);
  await a.until(`— ${bob} —`);
  a.type("shall we meet?");
  await b.until("New from");
  await a.until(/#1 .* shall we meet\? {2}\(delivered\)/);
  b.type(`/open ${ada}`);
  await b.until(/#1 .*: shall we meet\?/);
  await a.until(/#1 .* shall we meet\? {2}\(read\)/);

  b.type("/reply #1 at six");
  await a.until(/#2 .*: ↳ you at six/);
  a.type("/react #2 👍");
  await b.until(/#2 .*at six .*👍/);
  b.type("/edit #2 at seven");
  await a.until(/#2 .*at seven {2}\(edited/);

  const bytes = Buffer.alloc(300_000, "harbour ");
  writeFileSync(join(folder, "map.txt"), bytes);
  a.type("/file map.txt");
  await a.until("map.txt: uploading 100 %");
  await b.until(/#3 .*\[file map\.txt, 300000 bytes\]/);
  b.type("/save #3 saved.txt");
  await b.until("Saved as saved.txt");
  expect(readFileSync(join(folder, "saved.txt")).equals(bytes)).toBe(true);

  a.type("/export history.jsonl");
  await a.until(/Written to history\.jsonl, not encrypted: 3 messages/);
  const history = readFileSync(join(folder, "history.jsonl"), "utf8").trimEnd().split("\n");
  expect(history.map((line) => JSON.parse(line) as object)).toMatchObject([
    { type: "export", format: "sotto-export/v1" },
    { type: "conversation", name: bob },
    { senderName: "you", content: { text: "shall we meet?" } },
    { senderName: bob, content: { text: "at seven" }, reactions: [{ emoji: "👍" }] },
    { content: { kind: "file", name: "map.txt", size: 300_000 } },
    { type: "end", messages: 3 },
  ]);
  a.type("/export history.jsonl");
  await a.until("history.jsonl is there already");

  a.type("/safety");
  const [digits = ""] = await a.until(/(\d{5} ){11}\d{5}/);
  b.type("/safety ok");
  await b.until(digits);
  await b.until("Verified.");

  a.type(`/group Night sailing ${bob}`);
  await a.until("— Night sailing —");
  await a.until(/\[created Night sailing/);
  const listed = b.output.length;
  await expect
    .poll(() => (b.type("/list"), b.output.slice(listed)), { timeout: 10_000, interval: 300 })
    .toContain("Night sailing");
  b.type("/open Night sailing");
  await b.until("— Night sailing —");
  b.type("who brings the lamp?");
  await a.until(/who brings the lamp\?/);
  b.type("/nonsense");
  await b.until("No command /nonsense");
  a.type("/quit");
  expect(await a.ended).toBe(0);
  b.endInput();
  expect(await b.ended).toBe(0);
}, 60_000);

test("typing is shown, and what others write cannot command the terminal", async () => {
  await using server = await startTestServer();
  const phone = randomPhone();
  await using chat = await signUp({ phone, url: server.url, store: "typing" });
  await using eve = await TestUser.open({ url: server.url });
  const { userId } = await eve.client.contacts.add(phone);
  chat.type(`/open ${eve.phone}`);
  await chat.until(`— ${eve.phone} —`);
  await eve.client.conversations.with(userId).typing(true);
  await chat.until("is typing");
  await eve.client.conversations.with(userId).send("\u001B[2Jgone?");
  await chat.until("�[2Jgone?");
});

test("a terminal that is killed again and again loses nothing that was typed or sent to it", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  const phone = randomPhone();
  await using bob = await TestUser.open({ url: server.url });
  const person = { phone, url: proxy.url, store: "killed", to: bob.phone };
  const first = await signUp(person);
  const { userId } = await bob.client.contacts.add(phone);
  for (let at = 0; at < 5; at++) first.type(`before ${at}`);
  await first.until("before 4");
  await first.kill();
  await bob.client.conversations.with(userId).send("while you were away");

  const second = launch(person);
  await second.until("while you were away");
  proxy.goOffline();
  await second.until("The server cannot be reached");
  for (let at = 0; at < 5; at++) second.type(`offline ${at}`);
  await second.until(/offline 4 {2}\(queued\)/);
  await second.kill();

  // Whom `--to` means is in the store.
  await using third = launch(person);
  await third.until(/offline 4 {2}\(queued\)/);
  proxy.goOnline();
  await third.until(/offline 4 {2}\((sent|delivered)\)/);
  const before = Array.from({ length: 5 }, (_, at) => `before ${at}`);
  const offline = Array.from({ length: 5 }, (_, at) => `offline ${at}`);
  await bob.until("all of it", () => bob.texts.includes("offline 4"));
  expect(bob.texts).toEqual([...before, ...offline]);
}, 60_000);

test("a second terminal of the same person is let in by the first, or by a backup", async () => {
  await using server = await startTestServer();
  const { url } = server;
  const phone = randomPhone();
  await using first = await signUp({ phone, url, store: "first" });
  await using second = await signUp({ phone, url, store: "second" });
  const [, code = ""] = await second.until(/\/approve (\S+)/);
  first.type(`/approve ${code}`);
  await first.until("The device is let in.");
  await second.until("This device is linked.");
  first.type("/devices");
  await first.until(/terminal {2}linked, this one/);

  first.type("/backup my.backup");
  const [, recoveryKey = ""] = await first.until(/not shown again:\n(\S[^\n]+)\n/);
  await using third = await signUp({ phone, url, store: "third" });
  third.type("/restore my.backup");
  await third.until("Recovery key:");
  third.type(recoveryKey);
  await third.until("Restored.");
}, 60_000);

test("what cannot be is said, with its own exit code", async () => {
  await using server = await startTestServer();
  const run = async (args: string[], env: Record<string, string> = {}): Promise<[number | null, string]> => {
    await using chat = new AppProcess("chat", {
      args,
      env: { SOTTO_PASSPHRASE: passphrase, ...env },
      cwd: folder,
    });
    chat.endInput();
    return [await chat.ended, chat.output];
  };
  expect(await run(["--help"])).toEqual([0, expect.stringContaining("--phone NUMBER")]);
  expect(await run([])).toEqual([2, expect.stringContaining("--phone is missing")]);
  expect(await run(["--phone", "0151"])).toEqual([2, expect.stringContaining("is no number such as")]);
  expect(await run(["--phone", randomPhone(), "--url", "nowhere"])).toEqual([
    2,
    expect.stringContaining("is no http address"),
  ]);
  expect(await run(["--phone", randomPhone(), "--sound"])).toEqual([2, expect.stringContaining("--sound")]);
  const phone = randomPhone();
  const args = ["--phone", phone, "--store", join(folder, "exit"), "--url"];
  expect(await run([...args, "http://127.0.0.1:9"])).toEqual([
    1,
    expect.stringContaining("could not be reached"),
  ]);
  expect(await run([...args, server.url], { SOTTO_PASSPHRASE: "another" })).toEqual([
    1,
    expect.stringContaining("WRONG_PASSPHRASE"),
  ]);
  await using registered = await TestUser.open({ url: server.url });
  await registered.client.pin.set("4711");
  await using chat = launch({ phone: registered.phone, url: server.url, store: "pin" });
  await chat.until("Code:");
  chat.type("");
  await chat.until("Registration PIN:");
  chat.type("4711");
  await chat.until("Ready.");
}, 60_000);
