/** Node's global, for tests. */
export { Buffer } from "buffer";
