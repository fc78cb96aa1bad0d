/** `@sotto/sdk/node`: what only Node has. */
export { fileStore } from "./storage/file-store.ts";
