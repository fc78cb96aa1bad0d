/** `@sotto/sdk/browser`: what only browsers have. */
export { type IndexedDbStoreOptions, indexedDbStore } from "./storage/indexeddb-store.ts";
