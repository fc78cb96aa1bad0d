/**
 * The parts that few calls need. A bundler that splits puts each into a chunk of its own, which a page fetches at
 * the first such call (docs/adr/0016-parts-of-the-sdk-on-demand.md). Nothing else imports these libraries.
 */
import { SottoError } from "../errors.ts";
import type * as age from "./age.ts";

/**
 * Files, backups and recovery keys. Throws `NETWORK` when the chunk cannot be fetched: the call may be repeated, but a
 * browser may remember that an import has failed until the page is loaded again (HTML's module map).
 */
export const loadAge = (): Promise<typeof age> => loadPart(() => import("#age"));

/** Passphrases. Throws as {@link loadAge} does. */
export const loadArgon2id = () => loadPart(() => import("./argon2id.ts"));

async function loadPart<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    throw new SottoError("NETWORK", { cause });
  }
}
