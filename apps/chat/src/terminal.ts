import { type Interface, createInterface } from "node:readline";
import { Writable } from "node:stream";

const typingEveryMs = 3_000;

interface TerminalOptions {
  input: NodeJS.ReadableStream;
  output: NodeJS.WritableStream;
  isInteractive: boolean;
}

/** Lines in and out. What is printed while a line is being typed goes above it. */
export class Terminal {
  /** Called while somebody types a message. */
  onTyping: () => void = () => {};
  readonly #output: NodeJS.WritableStream;
  readonly #reader: Interface;
  readonly #lines: AsyncIterator<string>;
  readonly #isInteractive: boolean;
  #isHidden = false;
  #isClosed = false;
  #typedAt = Number.NEGATIVE_INFINITY;

  constructor({ input, output, isInteractive }: TerminalOptions) {
    this.#output = output;
    this.#isInteractive = isInteractive;
    const echo = new Writable({
      write: (chunk, _encoding, done) => {
        if (!this.#isHidden) output.write(chunk as Uint8Array);
        done();
      },
    });
    this.#reader = createInterface({ input, output: echo, terminal: isInteractive, prompt: "> " });
    this.#lines = this.#reader[Symbol.asyncIterator]();
    this.#reader.on("SIGINT", () => this.close());
    this.#reader.on("close", () => (this.#isClosed = true));
    if (isInteractive) input.on("keypress", () => this.#keyPressed());
  }

  print(text: string): void {
    if (!this.#isInteractive || this.#isClosed) {
      this.#output.write(`${text}\n`);
      return;
    }
    this.#output.write(`\r\u001B[K${text}\n`);
    if (!this.#isHidden) this.#reader.prompt(true);
  }

  /** The next line; undefined at the end of the input. */
  async readLine(): Promise<string | undefined> {
    if (this.#isInteractive) this.#reader.prompt();
    const { value, done } = await this.#lines.next();
    return done ? undefined : value;
  }

  /** `isSecret`: what is typed is not shown. At the end of the input: "". */
  async ask(question: string, { isSecret = false } = {}): Promise<string> {
    this.#output.write(this.#isInteractive ? `\r\u001B[K${question} ` : `${question}\n`);
    this.#isHidden = isSecret;
    try {
      const { value, done } = await this.#lines.next();
      return done ? "" : value.trim();
    } finally {
      if (isSecret && this.#isInteractive) this.#output.write("\n");
      this.#isHidden = false;
    }
  }

  close(): void {
    this.#reader.close();
  }

  #keyPressed(): void {
    const { line } = this.#reader;
    if (this.#isHidden || line === "" || line.startsWith("/")) return;
    if (performance.now() - this.#typedAt < typingEveryMs) return;
    this.#typedAt = performance.now();
    this.onTyping();
  }
}
