import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import chromium from "@sparticuz/chromium";
import manifest from "../../../../package.json" with { type: "json" };

const cache = join(import.meta.dirname, "../../../../.cache");

/**
 * The path of the package's Chromium, unpacked once for this checkout. The package's own place is one for all users of
 * the machine, and takes a file that another process is still writing, or that another user has left, for its own.
 */
export async function unpackedChromium(): Promise<string> {
  const folder = join(cache, `chromium-${manifest.devDependencies["@sparticuz/chromium"]}`);
  if (!existsSync(folder)) await unpackInto(folder);
  return join(folder, "chromium");
}

async function unpackInto(folder: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  const own = await mkdtemp(`${folder}-`);
  const { TMPDIR } = process.env;
  try {
    // It knows no other way to be told where.
    process.env["TMPDIR"] = own;
    await chromium.executablePath();
    await rename(own, folder);
  } catch (error) {
    await rm(own, { recursive: true, force: true });
    // Another process was first.
    if (!existsSync(folder)) throw error;
  } finally {
    if (TMPDIR === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = TMPDIR;
  }
}
