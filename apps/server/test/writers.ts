/**
 * Writers that send one message after the other until they are stopped, and what became of each: for
 * tests that kill something meanwhile and try again what was not answered.
 */
export class Writers {
  /** The id that each message was answered with, by `clientMessageId`. */
  readonly answered = new Map<string, string>();
  readonly unanswered: string[] = [];
  readonly #post: (clientMessageId: string) => Promise<Record<string, unknown>>;
  readonly #writing: Promise<unknown>;
  #isStopped = false;

  constructor(count: number, post: (clientMessageId: string) => Promise<Record<string, unknown>>) {
    this.#post = post;
    this.#writing = Promise.all(Array.from({ length: count }, (_, writer) => this.#write(writer)));
  }

  /** Sends one, for the first time or again. */
  async send(clientMessageId: string): Promise<void> {
    this.answered.set(clientMessageId, String((await this.#post(clientMessageId))["id"]));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#writing;
  }

  async #write(writer: number): Promise<void> {
    for (let i = 0; !this.#isStopped; i++) {
      const clientMessageId = `${writer}-${i}`;
      await this.send(clientMessageId).catch(() => this.unanswered.push(clientMessageId));
    }
  }
}
