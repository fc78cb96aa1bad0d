import { test } from "vitest";
import { indexedDbStore } from "../storage/indexeddb-store.ts";
import { testFirstScreen } from "./first-screen-fixtures.ts";

test("of 100,000 messages in IndexedDB the first screen opens at once", async () => {
  await testFirstScreen(indexedDbStore);
}, 60_000);
