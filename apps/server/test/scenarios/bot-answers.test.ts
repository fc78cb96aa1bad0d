import { randomInt } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { AppProcess } from "../app-process.ts";
import { randomPhone } from "../rest-client.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

const repository = join(import.meta.dirname, "../../../..");
const folder = mkdtempSync(join(tmpdir(), "sotto-bot-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the bot has 20 lines at most, and the pages show all of them", () => {
  const bot = readFileSync(join(repository, "apps/bot/src/main.ts"), "utf8");
  expect(bot.trimEnd().split("\n").length).toBeLessThanOrEqual(20);
  for (const page of ["README.md", "docs/SDK.md"]) {
    expect(readFileSync(join(repository, page), "utf8"), page).toContain(`\`\`\`ts\n${bot}\`\`\``);
  }
});

test("the bot answers everything once, however often it is killed", async () => {
  await using server = await startTestServer();
  const phone = randomPhone();
  const env = { SOTTO_URL: server.url, BOT_PHONE: phone, BOT_PASSPHRASE: "at the harbour" };
  const launch = (): AppProcess => new AppProcess("bot", { env, cwd: folder });
  let bot = launch();
  await using _last = { [Symbol.asyncDispose]: () => bot.kill() };
  await using alice = await TestUser.open({ url: server.url });
  const findBot = async () => {
    const { userId, name } = await alice.client.contacts.add(phone);
    const { online } = await alice.client.presence(userId);
    return { userId, name, online };
  };
  // Only who has published a device is connected.
  await expect
    .poll(() => findBot().catch(() => undefined), { timeout: 10_000 })
    .toMatchObject({ name: "Echo", online: true });
  const { userId } = await findBot();

  const asked = Array.from({ length: 30 }, (_, at) => `question ${at}`);
  const sending = (async () => {
    for (const text of asked) await alice.client.conversations.with(userId).send(text);
  })();
  for (let answered = 0; answered < asked.length;) {
    answered = Math.min(asked.length, answered + randomInt(3, 12));
    await alice.untilReceived(answered);
    await bot.kill();
    bot = launch();
  }
  await sending;
  await alice.client.conversations.with(userId).send("the last");
  await alice.until("the last answer", () => alice.texts.includes("You said: the last"));
  expect(alice.texts).toEqual([...asked, "the last"].map((text) => `You said: ${text}`));
  expect(bot.output, "no warning, no error").toBe("");
}, 60_000);
