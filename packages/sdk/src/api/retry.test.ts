import { expect, test } from "vitest";
import { SottoError } from "../errors.ts";
import { retrying, sleep } from "./retry.ts";

test("a pause of years that a server asks for is kept, as far as a timer can", async () => {
  const abort = new AbortController();
  let tries = 0;
  const running = retrying(
    async () => {
      tries++;
      throw new SottoError("RATE_LIMITED", { details: { retryAfter: 2 ** 40 } });
    },
    { signal: abort.signal },
  );
  running.catch(() => {});
  await sleep(100, new AbortController().signal);
  abort.abort();
  await expect(running).rejects.toMatchObject({ code: "ABORTED" });
  expect(tries).toBe(1);
});
