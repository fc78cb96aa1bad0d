/** What the demo prints, and whether all of it was right. */
export class Report {
  #failures = 0;

  heading(text: string): void {
    process.stdout.write(`\n${text}\n`);
  }

  line(text: string): void {
    process.stdout.write(`    ${text}\n`);
  }

  /** One claim, with what was seen where it does not hold. */
  check(claim: string, isRight: boolean, seen?: unknown): void {
    if (!isRight) this.#failures++;
    process.stdout.write(`  ${isRight ? "✓" : "✗"} ${claim}\n`);
    if (!isRight && seen !== undefined) this.line(`seen: ${JSON.stringify(seen)}`);
  }

  /** For the exit code. */
  finish(): boolean {
    const isRight = this.#failures === 0;
    this.heading(isRight ? "All of it is right." : `${this.#failures} of it is wrong.`);
    return isRight;
  }
}
