import { spawn } from "node:child_process";
import { once } from "node:events";
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileStore } from "@sotto/sdk/node";
import { afterAll, expect, test } from "vitest";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

const folder = mkdtempSync(join(tmpdir(), "sotto-killed-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const key = new Uint8Array(32);
const workspace = join(import.meta.dirname, "../..");

/** Receives in a process of its own that is killed after some messages; gives what it showed. */
async function receiveUntilKilled(options: {
  url: string;
  path: string;
  killAfter: number;
}): Promise<string[]> {
  const script = `
    import { createClient } from "@sotto/sdk";
    import { fileStore } from "@sotto/sdk/node";
    const client = await createClient({ url: "${options.url}", store: await fileStore(${JSON.stringify(options.path)}, { key: new Uint8Array(32) }) });
    await client.start();
    for await (const message of client.messages()) process.stdout.write((message.text ?? message.kind) + "\\n");
  `;
  const flags = ["--conditions=@sotto/source", "--no-warnings", "--input-type=module", "--eval", script];
  const child = spawn(process.execPath, flags, { cwd: workspace, stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  let output = "";
  for await (const chunk of child.stdout) {
    output += String(chunk);
    const lines = output.split("\n");
    if (lines.length > options.killAfter || lines.includes("end")) child.kill("SIGKILL");
  }
  await exited;
  return output.split("\n").filter((line) => line !== "");
}

test("a client that is killed again and again shows everything, in order; only the last before a kill may come twice", async () => {
  await using server = await startTestServer();
  const { url } = server;
  const path = join(folder, "bob.sotto");
  await using alice = await TestUser.open({ url, isStarted: false });
  const bob = await TestUser.open({ url, store: await fileStore(path, { key }), isStarted: false });
  const conversation = alice.to(bob);
  await bob.client.close();

  const expected = [...Array.from({ length: 80 }, (_, at) => String(at)), "end"];
  const sending = (async () => {
    for (const text of expected) await conversation.send(text);
  })();
  const shown: string[] = [];
  for (let runs = 0; runs < 60 && shown.at(-1) !== "end"; runs++) {
    const lines = await receiveUntilKilled({ url, path, killAfter: randomInt(5, 30) });
    const isRepeated = lines[0] === shown.at(-1);
    shown.push(...(isRepeated ? lines.slice(1) : lines));
  }
  await sending;
  expect(shown).toEqual(expected);
}, 120_000);
