import { randomInt } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryStore } from "@sotto/sdk";
import { fileStore } from "@sotto/sdk/node";
import { connectDatabase, listStored, searchEverywhere } from "./database.ts";
import { PlainClient } from "./plain-client.ts";
import { Report } from "./report.ts";
import { SdkDevice } from "./sdk-device.ts";

const url = process.env["SOTTO_URL"] ?? "http://127.0.0.1:8091";
const dataDir = process.env["DATA_DIR"] ?? join(import.meta.dirname, "../../../.data/postgres");

/** Two people with two devices each on the SDK, and one with plain HTTP and `/ws`. */
async function demo(report: Report, folder: string): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const phones = { alice: randomPhone(), bob: randomPhone(), carol: randomPhone() };
  const open = async (name: string, phone: string, store = memoryStore()): Promise<SdkDevice> =>
    stack.use(await SdkDevice.open({ name, url, store, phone }));
  const alicePhone = await open("Alice's phone", phones.alice);
  const aliceLaptop = await (await open("Alice's laptop", phones.alice)).getApprovedBy(alicePhone);
  const bobPhone = await open("Bob's phone", phones.bob);
  const passphrase = "harbour, six o'clock";
  const bobFile = join(folder, "bob-laptop.db");
  let bobLaptop = await open("Bob's laptop", phones.bob, await fileStore(bobFile, { passphrase }));
  await bobLaptop.getApprovedBy(bobPhone);
  const carol = stack.use(await PlainClient.signIn(url, phones.carol));
  const devices = (): SdkDevice[] => [alicePhone, aliceLaptop, bobPhone, bobLaptop];
  const [alice, bob] = [alicePhone.userId, bobPhone.userId];
  const ids: string[] = [];

  report.heading("Alice and Bob write to each other; each message is sealed for every device.");
  const question = "Shall we meet at the harbour at six?";
  const answer = "At six. I bring the maps.";
  ids.push((await alicePhone.client.conversations.with(bob).send(question)).id);
  await Promise.all([aliceLaptop, bobPhone, bobLaptop].map((device) => device.untilRead(1)));
  ids.push((await bobLaptop.client.conversations.with(alice).send(answer)).id);
  await alicePhone.untilRead(1);
  await Promise.all([aliceLaptop, bobPhone].map((device) => device.untilRead(2)));
  for (const device of devices()) report.line(`${device.name} reads: ${device.read.join(" | ")}`);
  report.check(
    "both of Bob's devices and Alice's laptop read the question",
    [aliceLaptop, bobPhone, bobLaptop].every(({ read }) => read[0] === question),
  );
  report.check(
    "both of Alice's devices and Bob's phone read the answer",
    [alicePhone, aliceLaptop, bobPhone].every(({ read }) => read.at(-1) === answer),
  );

  report.heading("Bob's laptop goes offline, and catches up from its file when it is back.");
  await bobLaptop.client.close();
  const missed = ["First missed.", "Second missed.", "Third missed."];
  for (const text of missed) ids.push((await alicePhone.client.conversations.with(bob).send(text)).id);
  await bobPhone.untilRead(5);
  bobLaptop = await open("Bob's laptop", phones.bob, await fileStore(bobFile, { passphrase }));
  await bobLaptop.untilRead(missed.length);
  report.line(`${bobLaptop.name} reads: ${bobLaptop.read.join(" | ")}`);
  report.check("it reads what it missed, once and in order", same(bobLaptop.read, missed), bobLaptop.read);

  report.heading("A send is retried, as after an answer that was lost.");
  const retry = { clientMessageId: crypto.randomUUID() };
  const once = "Said once, sent twice.";
  const first = await alicePhone.client.conversations.with(bob).send(once, retry);
  const again = await alicePhone.client.conversations.with(bob).send(once, retry);
  ids.push(first.id);
  const plainId = await carol.send(alice, "ciphertext-of-carol's-own-format", "carol-1");
  const plainAgain = await carol.send(alice, "ciphertext-of-carol's-own-format", "carol-1");
  ids.push(plainId);
  await bobPhone.untilRead(6);
  await alicePhone.untilRead(2);
  report.check("the SDK's retry gives the same message", first.id === again.id, [first.id, again.id]);
  report.check("the plain client's retry gives the same message", plainId === plainAgain, [
    plainId,
    plainAgain,
  ]);
  report.check(
    "Bob's phone reads it once",
    bobPhone.read.filter((text) => text === once).length === 1,
    bobPhone.read,
  );

  report.heading(
    "Carol has no SDK: her bare ciphertext arrives as such, and what is sealed reaches her as it is.",
  );
  ids.push(
    (await alicePhone.client.conversations.with(carol.userId).send("For Carol's own software to open.")).id,
  );
  await carol.untilReceived(1);
  const [sealed] = carol.received;
  report.line(`${alicePhone.name} reads: ${alicePhone.read.at(-1)}`);
  report.line(
    `Carol gets ${sealed?.ciphertext.length} characters of envelope and ${sealed?.wrap?.length} of her wrap`,
  );
  report.check(
    "Alice reads Carol's ciphertext as opaque",
    alicePhone.read.at(-1) === "opaque: ciphertext-of-carol's-own-format",
    alicePhone.read,
  );
  report.check(
    "Carol gets the envelope with the wrap of her key",
    sealed !== undefined && sealed.wrap !== null,
    sealed,
  );

  report.heading("What the database holds for the same messages.");
  const database = await connectDatabase(dataDir);
  stack.defer(() => database.end());
  const stored = await listStored(database, ids);
  for (const { id, ciphertext, wraps } of stored) {
    report.line(`${id}  ${wraps} wraps  ${ciphertext.slice(0, 40)}… (${ciphertext.length} characters)`);
  }
  report.check(
    "each message is stored once",
    stored.length === ids.length && new Set(ids).size === ids.length,
    stored.length,
  );
  const found = await searchEverywhere(database, [
    question,
    answer,
    once,
    ...missed,
    "For Carol's own software",
  ]);
  report.check("none of the texts stands anywhere in it", found.length === 0, found);
}

function randomPhone(): string {
  return `+49150${randomInt(10_000_000, 99_999_999)}`;
}

function same(left: string[], right: string[]): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

const report = new Report();
const folder = await mkdtemp(join(tmpdir(), "sotto-demo-"));
try {
  await demo(report, folder);
  process.exitCode = report.finish() ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
