import { chromium as playwright, type Browser } from "playwright-core";
import { unpackedChromium } from "./unpacked-chromium.ts";

/** One process, since a sandbox of its own needs rights that containers do not give; no name but loopback resolves. */
const args = [
  "--headless=shell",
  "--no-sandbox",
  "--no-zygote",
  "--single-process",
  "--use-angle=swiftshader",
  "--in-process-gpu",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/** A real Chromium: the package's own on Linux, elsewhere the Chrome that is installed. */
export async function openBrowser(): Promise<Browser> {
  if (process.platform !== "linux") return playwright.launch({ channel: "chrome" });
  return playwright.launch({ executablePath: await unpackedChromium(), args });
}
