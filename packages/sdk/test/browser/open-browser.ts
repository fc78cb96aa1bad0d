import { chromium as playwright, type Browser } from "playwright-core";
import { unpackedChromium } from "./unpacked-chromium.ts";

/** No sandbox, since that needs rights that containers do not give; no name but loopback resolves. */
const args = [
  "--headless=shell",
  "--no-sandbox",
  "--no-zygote",
  "--use-angle=swiftshader",
  "--in-process-gpu",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

interface BrowserOptions {
  /** A process for each tab: one of them may stand still, or die, while the others go on. */
  hasProcesses?: boolean | undefined;
}

/** A real Chromium: the package's own on Linux, elsewhere the Chrome that is installed. */
export async function openBrowser({ hasProcesses = false }: BrowserOptions = {}): Promise<Browser> {
  if (process.platform !== "linux") return playwright.launch({ channel: "chrome" });
  return playwright.launch({
    executablePath: await unpackedChromium(),
    args: hasProcesses ? args : [...args, "--single-process"],
  });
}
