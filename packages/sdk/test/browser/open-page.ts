import { readFile, rm } from "node:fs/promises";
import { type Server, createServer } from "node:http";
import { join, normalize } from "node:path";
import type { Page } from "playwright-core";
import { bundle } from "./bundle.ts";
import { openBrowser } from "./open-browser.ts";

const repository = join(import.meta.dirname, "../../../..");
const html =
  '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="module" src="/main.js"></script>';

interface OpenedPage extends AsyncDisposable {
  page: Page;
  /** Another tab of the same browser, which has run the same entry. */
  openTab(): Promise<Page>;
  /** What the page complained about. */
  complaints: string[];
}

/** A page in a real Chromium that has run an entry, from `http://127.0.0.1`: a secure context. */
export async function openPage(
  entry: string,
  options: { hasProcesses?: boolean; beforeEntry?: string } = {},
): Promise<OpenedPage> {
  await using stack = new AsyncDisposableStack();
  const folder = await bundle(entry);
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const { server, origin } = await serve(folder);
  stack.defer(() => void server.close());
  const browser = await openBrowser(options);
  stack.defer(() => browser.close());
  const context = await browser.newContext();
  if (options.beforeEntry !== undefined) await context.addInitScript(options.beforeEntry);
  const complaints: string[] = [];
  const openTab = async (): Promise<Page> => {
    const page = await context.newPage();
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.stack ?? error.message));
    await page.goto(origin);
    return page;
  };
  const page = await openTab();
  const moved = stack.move();
  return { page, openTab, complaints, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

/** The bundle, and `docs/` of the repository. */
async function serve(folder: string): Promise<{ server: Server; origin: string }> {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://page").pathname);
    if (path === "/") {
      response.setHeader("content-type", "text/html").end(html);
      return;
    }
    readFile(join(path.startsWith("/docs/") ? repository : folder, path)).then(
      (content) => {
        response.setHeader("content-type", path.endsWith(".js") ? "text/javascript" : "application/json");
        response.end(content);
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { server, origin: `http://127.0.0.1:${address.port}` };
}
