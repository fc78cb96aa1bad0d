/** The parts of the SDK that are fetched when they are needed: in a page and in a worker, also where that fails. */
import type { JSHandle } from "playwright-core";
import { expect, test } from "vitest";
import type { files } from "./files-page.ts";
import { openPage } from "./open-page.ts";

type Files = typeof files;

const entry = `
  import { files } from "./files-page.ts";
  globalThis.files = files;
`;
const ageChunk = /\/age-\w+\.js$/;

test("a page fetches age with its first file; where that fails, the call says so, and works once it is reloaded", async () => {
  await using opened = await openPage(entry);
  const { page } = opened;
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  const reload = async (): Promise<JSHandle<Files>> => {
    asked.length = 0;
    await page.reload();
    return page.evaluateHandle("globalThis.files");
  };
  const wasAsked = () => asked.some((url) => ageChunk.test(url));

  await page.route(ageChunk, (route) => route.abort());
  const failing = await reload();
  expect(wasAsked()).toBe(false);
  expect(await failing.evaluate((files) => files.roundTrip())).toBe("NETWORK later");
  expect(wasAsked()).toBe(true);

  await page.unroute(ageChunk);
  const handle = await reload();
  expect(wasAsked()).toBe(false);
  expect(await handle.evaluate(async (files) => (await files.roundTrip()) === files.text)).toBe(true);
});

test("so does a worker", async () => {
  await using opened = await openPage(entry);
  const handle: JSHandle<Files> = await opened.page.evaluateHandle("globalThis.files");
  expect(await handle.evaluate(async (files) => (await files.roundTripInWorker()) === files.text)).toBe(true);
});
