/** `@sotto/sdk/node`: what only Node has. */
export { directorySpool } from "./files/directory-spool.ts";
export type { StoreSecret } from "./storage/store-key.ts";
export { type FileStoreOptions, changeFileSecret, fileStore } from "./storage/file-store.ts";
