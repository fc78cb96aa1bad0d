/** One test as it ended in the page. */
export interface PageResult {
  file: string;
  /** With the names of the suites around it; a file that could not be read has its own name. */
  name: string;
  state: "passed" | "failed" | "skipped";
  /** The stack of each error. */
  errors: string[];
}
