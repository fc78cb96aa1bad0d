import type { Block, Contact, Presence } from "@sotto/schema";
import type { CallOptions } from "./conversation.ts";
import type { GetSession } from "./conversations.ts";
import { SottoError } from "./errors.ts";
import { parseUserId } from "./groups.ts";

/** Whom this user knows by phone number, and whom this user has blocked. */
export interface Contacts {
  /**
   * Makes the user of a phone number a contact, also where that is done already, and gives the contact. Throws
   * `INVALID_PHONE`, `CONTACT_NOT_FOUND`, `CONTACT_SELF`, `CONTACT_LIMIT_REACHED`.
   *
   * @example
   * ```ts
   * const { userId } = await client.contacts.add("+491700000002");
   * await client.conversations.with(userId).send("hello");
   * ```
   */
  add(phone: string, options?: CallOptions): Promise<Contact>;
  list(options?: CallOptions): Promise<Contact[]>;
  /** Nothing passes between the two from then on, in either direction. Throws `BLOCK_SELF`, `BLOCK_LIMIT_REACHED`. */
  block(userId: string, options?: CallOptions): Promise<void>;
  /** Also where there is no block. */
  unblock(userId: string, options?: CallOptions): Promise<void>;
  /** In the order in which they were blocked. */
  blocked(options?: CallOptions): Promise<Block[]>;
}

export function createContacts(getSession: GetSession): Contacts {
  const api = async () => (await getSession()).session.api;
  const list = async ({ signal }: CallOptions = {}): Promise<Contact[]> =>
    (await api()).call((server, call) => server.contacts.list.query({}, call), signal);
  return {
    async add(phone, { signal } = {}) {
      await (await api()).call((server, call) => server.contacts.add.mutate({ phone }, call), signal);
      const added = (await list({ signal })).find((contact) => contact.phone === phone);
      // The number went to nobody between the two calls.
      if (!added) throw new SottoError("CONTACT_NOT_FOUND");
      return added;
    },
    list,
    async block(user, { signal } = {}) {
      const blockedUserId = parseUserId(user);
      await (await api()).call((server, call) => server.blocks.add.mutate({ blockedUserId }, call), signal);
    },
    async unblock(user, { signal } = {}) {
      const blockedUserId = parseUserId(user);
      await (
        await api()
      ).call((server, call) => server.blocks.remove.mutate({ blockedUserId }, call), signal);
    },
    blocked: async ({ signal } = {}) =>
      (await api()).call((server, call) => server.blocks.list.query({}, call), signal),
  };
}

/** Whether a user is connected, and when last. */
export async function findPresence(
  getSession: GetSession,
  user: string,
  { signal }: CallOptions = {},
): Promise<Presence> {
  const userId = parseUserId(user);
  const { api } = (await getSession()).session;
  return api.call((server, call) => server.presence.get.query({ userId }, call), signal);
}
