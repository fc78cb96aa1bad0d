/** `@sotto/sdk/node`: what only Node has. */
export { type FileStoreOptions, fileStore } from "./storage/file-store.ts";
