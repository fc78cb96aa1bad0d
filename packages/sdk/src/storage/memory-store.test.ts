import { testStore } from "./conformance.ts";
import { memoryStore } from "./memory-store.ts";

testStore("memory store", async () => memoryStore());
