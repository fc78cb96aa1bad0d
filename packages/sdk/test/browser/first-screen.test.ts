import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fileStore } from "../../src/storage/file-store.ts";
import { openSqliteFile } from "../../src/storage/sqlite-file.ts";
import {
  type FirstScreen,
  conversations,
  fillFirstScreens,
  pageSize,
} from "../../src/timeline/first-screen-fixtures.ts";
import { openPage } from "./open-page.ts";

const timeoutMs = 120_000;
const firstScreenMs = 200;
/**
 * The median of one round has to be below the limit, not that of each: other tests may have both cores meanwhile, which
 * says nothing of this code, and no round is quick by chance. Alone the first one passes, at a fifth of the limit. The
 * decryptions, which load does not change, are the same in every round.
 */
const rounds = 4;

const entry = `
  import { openDB } from "idb";
  import { indexedDbStore } from "../../src/storage/indexeddb-store.ts";
  import { fillFirstScreens } from "../../src/timeline/first-screen-fixtures.ts";
  async function copy(name, from, to) {
    const db = await openDB("sotto/" + name);
    const tx = db.transaction("items", "readwrite");
    const value = await tx.store.get(from);
    for (const key of to) void tx.store.put(value, key);
    await tx.done;
    db.close();
  }
  globalThis.fill = async () => {
    const { few, again } = await fillFirstScreens({ open: indexedDbStore, copy });
    globalThis.again = again;
    return few;
  };
`;

const medianOf = (times: readonly number[]): number => times[Math.floor(times.length / 2)] ?? Number.NaN;
const contentOf = ({ decryptions, listed, lines }: FirstScreen) => ({ decryptions, listed, lines });

async function judge(where: string, few: FirstScreen, again: () => Promise<FirstScreen[]>): Promise<void> {
  expect(few).toMatchObject({ listed: conversations, lines: pageSize });
  // Each conversation with its newest line, and a page; beside them the account and its keys.
  expect(few.decryptions).toBeLessThan(2 * conversations + pageSize + 10);
  let median = Number.NaN;
  for (let round = 0; round < rounds && !(median < firstScreenMs); round++) {
    const many = await again();
    expect(many.map(contentOf)).toEqual(many.map(() => contentOf(few)));
    const times = many.map(({ tookMs }) => tookMs).toSorted((a, b) => a - b);
    median = medianOf(times);
    console.info(
      `first screen of 100,000 messages ${where}: ${times.map((ms) => ms.toFixed(0)).join(", ")} ms, ${few.decryptions} decryptions`,
    );
  }
  expect(median).toBeLessThan(firstScreenMs);
}

test("of 100,000 messages the first screen opens at once: in Node", { timeout: timeoutMs }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "sotto-screen-"));
  try {
    const { few, again } = await fillFirstScreens({
      // A passphrase's key would take Argon2id's half a second more, however much is stored (docs/SDK.md, "Speed").
      open: (name) => fileStore(join(folder, name), { key: new Uint8Array(32) }),
      copy: async (name, from, to) => {
        const { store } = openSqliteFile(join(folder, name));
        const value = await store.get(from);
        await store.commit(to.map((key) => ({ key, value })));
        await store.close();
      },
    });
    await judge("in Node", few, again);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("of 100,000 messages the first screen opens at once: in Chromium", { timeout: timeoutMs }, async () => {
  await using opened = await openPage(entry, { hasProcesses: true });
  const few = await opened.page.evaluate<FirstScreen>("fill()");
  await judge("in Chromium", few, () => opened.page.evaluate<FirstScreen[]>("again()"));
});
