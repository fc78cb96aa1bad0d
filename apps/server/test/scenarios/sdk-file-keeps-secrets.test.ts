import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileStore } from "@sotto/sdk/node";
import { afterAll, expect, test } from "vitest";
import { randomPhone } from "../rest-client.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

const folder = mkdtempSync(join(tmpdir(), "sotto-canary-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** All that SQLite has written, with what stands in its log. */
function readFiles(path: string): string {
  const files = [path, `${path}-wal`].filter((file) => existsSync(file));
  return files.map((file) => readFileSync(file, "latin1")).join("");
}

test.each([
  { encryption: "none" as const, isReadable: true },
  { key: new Uint8Array(32).fill(3), isReadable: false },
])(
  "what a chat leaves in a client's file is ids and ciphertext: readable is $isReadable",
  async (options) => {
    await using server = await startTestServer();
    const { url } = server;
    const { isReadable, ...encryption } = options;
    const path = join(folder, `${isReadable}.sotto`);
    const phone = randomPhone();
    await using bob = await TestUser.open({ url });
    await using alice = await TestUser.open({ url, phone, store: await fileStore(path, encryption) });
    await alice.to(bob).send("canary-sent");
    await bob.untilReceived(1);
    await bob.to(alice).send("canary-received");
    await alice.untilReceived(1);

    const found = readFiles(path);
    // The ids that keys hold, so that the search is known to see.
    expect(found).toContain(bob.userId);
    // Words of the search, the token's header, the text of a key bundle.
    for (const marker of ["canary-sent", "canary-received", "\ncanary ", "eyJ", "kb1."]) {
      expect(found.includes(marker), marker).toBe(isReadable);
    }
    expect(found).not.toContain(phone.slice(1));
  },
);
