/** `@sotto/sdk/node`: what only Node has. */
export { directorySpool } from "./files/directory-spool.ts";
export { type FileStoreOptions, fileStore } from "./storage/file-store.ts";
