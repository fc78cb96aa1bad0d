import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fileStore } from "../../src/storage/file-store.ts";
import {
  type FirstScreen,
  conversations,
  measureFirstScreens,
  pageSize,
} from "../../src/timeline/first-screen-fixtures.ts";
import { openPage } from "./open-page.ts";

const timeoutMs = 120_000;
const firstScreenMs = 200;
const entry = `
  import { indexedDbStore } from "../../src/storage/indexeddb-store.ts";
  import { measureFirstScreens } from "../../src/timeline/first-screen-fixtures.ts";
  globalThis.measure = () => measureFirstScreens(indexedDbStore);
`;
type Measured = Awaited<ReturnType<typeof measureFirstScreens>>;

function judge(where: string, { few, many }: Measured): void {
  const times = many.map(({ tookMs }) => tookMs).toSorted((a, b) => a - b);
  const median = times[Math.floor(times.length / 2)] ?? Number.NaN;
  console.info(
    `first screen of 100,000 messages ${where}: ${times.map((ms) => ms.toFixed(0)).join(", ")} ms, ${few.decryptions} decryptions`,
  );
  const content = ({ tookMs: _, ...rest }: FirstScreen) => rest;
  expect(few).toMatchObject({ listed: conversations, lines: pageSize });
  expect(many.map(content)).toEqual(many.map(() => content(few)));
  // Each conversation with its newest line, and a page; beside them the account and its keys.
  expect(few.decryptions).toBeLessThan(2 * conversations + pageSize + 10);
  expect(median).toBeLessThan(firstScreenMs);
}

test("of 100,000 messages the first screen opens at once: in Node", { timeout: timeoutMs }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "sotto-screen-"));
  try {
    const open = (name: string) => fileStore(join(folder, name), { key: new Uint8Array(32) });
    judge("in Node", await measureFirstScreens(open));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("of 100,000 messages the first screen opens at once: in Chromium", { timeout: timeoutMs }, async () => {
  await using opened = await openPage(entry, { hasProcesses: true });
  judge("in Chromium", await opened.page.evaluate<Measured>("measure()"));
});
