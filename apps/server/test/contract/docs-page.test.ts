import { contract, type Procedure } from "@sotto/schema";
import { expect, test } from "vitest";
import { openBrowser } from "../../../../packages/sdk/test/browser/open-browser.ts";
import { startTestServer } from "../test-server.ts";

test("/docs shows every operation in a browser, and asks nobody but this server", async () => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startTestServer());
  const browser = await openBrowser();
  stack.defer(() => browser.close());
  const page = await browser.newPage();
  const asked: string[] = [];
  const complaints: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  // The page's policy speaks up here too, when it stops something.
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));

  await page.goto(`${server.url}/docs`);
  const operations = page.locator(".opblock");
  const signIn = operations.filter({ has: page.locator('[data-path="/auth/verify_otp"]') });
  await signIn.waitFor({ state: "visible", timeout: 20_000 });
  const count = Object.values(contract)
    .flatMap((procedures): Procedure[] => Object.values(procedures))
    .filter(({ rest }) => rest).length;
  expect(await operations.count()).toBeGreaterThan(count);

  await signIn.locator(".opblock-summary").click();
  const body = signIn.locator(".opblock-body");
  await body.waitFor({ state: "visible" });
  expect(await body.textContent()).toContain("The PIN is needed");

  expect(complaints).toEqual([]);
  expect(asked.length).toBeGreaterThan(3);
  const elsewhere = asked.filter((url) => !url.startsWith(`${server.url}/`) && !url.startsWith("data:"));
  expect(elsewhere).toEqual([]);
}, 60_000);
