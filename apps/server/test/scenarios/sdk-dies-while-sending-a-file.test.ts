import { expect, test, vi } from "vitest";
import { CrashingStore, TestUser } from "../sdk-fixtures.ts";
import { expectSame, mib, randomFile } from "../sdk-files.ts";
import { startTestServer } from "../test-server.ts";

test(
  "of a client that dies at any commit, the file comes once and can be read, and nothing is left",
  { timeout: 60_000 },
  async () => {
    await using server = await startTestServer();
    await using bob = await TestUser.open({ url: server.url });
    const file = randomFile(2 * mib);
    // Spooled twice, queued, sealed, sent: each of these commits, done or not.
    for (const [key, count] of [
      ["spooled/", 3],
      ["sent/", 4],
    ] as const) {
      for (let nth = 1; nth <= count; nth++) {
        for (const when of ["before", "after"] as const) {
          const disk = new CrashingStore();
          const first = await TestUser.open({ url: server.url, store: disk.open() });
          await first.to(bob).send("hello");
          await bob.until("hello", () => bob.texts.at(-1) === "hello");
          const already = bob.received.length;
          let seen = 0;
          disk.crashAt(when, (keys) => keys.some((each) => each.startsWith(key)) && ++seen === nth);
          const clientMessageId = crypto.randomUUID();
          const sending = first.to(bob).sendFile(file, { name: "n", clientMessageId });
          await sending.catch(() => {});
          await first.client.close().catch(() => {});
          await using second = await TestUser.open({
            url: server.url,
            store: disk.open(),
            phone: first.phone,
          });
          await second.to(bob).sendFile(file, { name: "n", clientMessageId });
          await second.to(bob).send("last");
          await bob.until("the last", () => bob.texts.at(-1) === "last");
          const files = bob.received.slice(already).filter(({ kind }) => kind === "file");
          expect(files, `${when} ${key} ${nth}`).toHaveLength(1);
          for (const each of files) if (each.kind === "file") await expectSame(bob, file, each);
          await vi.waitFor(async () => expect(await disk.list("spool")).toEqual([]));
        }
      }
    }
  },
);
