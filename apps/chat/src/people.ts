import { type Client, type Contact, SottoError } from "@sotto/sdk";
import { isPhone } from "./options.ts";

/** Who is who: contacts by number and name, and everybody else by the beginning of an id. */
export class People {
  readonly #client: Client;
  readonly #names = new Map<string, string>();

  constructor(client: Client) {
    this.#client = client;
  }

  async load(): Promise<void> {
    for (const { userId, name, phone } of await this.#client.contacts.list()) {
      this.#names.set(userId, name ?? phone);
    }
  }

  /** The user of a phone number, a contact from then on; without the server, one that is a contact already. */
  async find(phone: string): Promise<string> {
    if (!isPhone(phone)) throw new Error(`${phone} is no number such as +491700000001`);
    const { userId, name } = await this.#contactWith(phone);
    this.#names.set(userId, name ?? phone);
    return userId;
  }

  async #contactWith(phone: string): Promise<Pick<Contact, "userId" | "name">> {
    const { contacts } = this.#client;
    try {
      return await contacts.add(phone);
    } catch (error) {
      const isAway = error instanceof SottoError && error.retry === "later";
      const known = isAway ? await contacts.find(phone) : undefined;
      if (!known) throw error;
      return known;
    }
  }

  readonly nameOf = (userId: string): string => {
    if (userId === this.#client.me?.userId) return "you";
    return this.#names.get(userId) ?? `user ${userId.slice(-6)}`;
  };
}
