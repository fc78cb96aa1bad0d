import type { Block, Contact, Presence } from "@sotto/schema";
import * as z from "zod/mini";
import type { CallOptions } from "./conversation.ts";
import type { GetSession } from "./conversations.ts";
import { SottoError } from "./errors.ts";
import { parseUserId } from "./groups.ts";
import type { Session } from "./session.ts";
import { defineRecord } from "./storage/records.ts";

/** As the server had them last, in its order. */
const contactRecord = defineRecord(
  "contact",
  z.custom<Contact>((value) => typeof value === "object" && value !== null),
);
/** They were taken from the server once. */
const listedRecord = defineRecord("contacts-listed", z.literal(1));

/**
 * Whom this user knows by phone number, and whom this user has blocked.
 *
 * @example
 * ```ts
 * for (const { name, phone } of await client.contacts.list()) console.log(name, phone);
 * const known = await client.contacts.find("+491700000002");
 * if (known) await client.contacts.block(known.userId);
 * for (const { blockedUserId } of await client.contacts.blocked()) await client.contacts.unblock(blockedUserId);
 * ```
 */
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
  /**
   * As the server has them now; where it cannot be reached, as it had them last. Throws `NETWORK` and the like where that
   * was never.
   */
  list(options?: CallOptions): Promise<Contact[]>;
  /**
   * The contact with a phone number, as last heard. Asks nobody; undefined where none is known here. Throws nothing of
   * its own.
   */
  find(phone: string): Promise<Contact | undefined>;
  /**
   * Nothing passes between the two from then on, in either direction. Throws `BLOCK_SELF`, `USER_NOT_FOUND`,
   * `BLOCK_LIMIT_REACHED`.
   */
  block(userId: string, options?: CallOptions): Promise<void>;
  /** Also where there is no block. Throws nothing of its own. */
  unblock(userId: string, options?: CallOptions): Promise<void>;
  /** In the order in which they were blocked. Throws nothing of its own. */
  blocked(options?: CallOptions): Promise<Block[]>;
}

export function createContacts(getSession: GetSession): Contacts {
  const api = async () => (await getSession()).session.api;
  const fetchAll = async ({ signal }: CallOptions): Promise<Contact[]> => {
    const { session } = await getSession();
    const contacts = await session.api.call((server, call) => server.contacts.list.query({}, call), signal);
    await keep(session, contacts);
    return contacts;
  };
  const listStored = async (): Promise<Contact[]> => {
    const { store } = (await getSession()).session;
    return (await contactRecord.list(store)).map(({ value }) => value);
  };
  return {
    async add(phone, { signal } = {}) {
      await (await api()).call((server, call) => server.contacts.add.mutate({ phone }, call), signal);
      const added = (await fetchAll({ signal })).find((one) => one.phone === phone);
      // The number went to nobody between the two calls.
      if (!added) throw new SottoError("CONTACT_NOT_FOUND");
      return added;
    },
    async list({ signal } = {}) {
      try {
        return await fetchAll({ signal });
      } catch (error) {
        const isAway = error instanceof SottoError && error.retry === "later" && !signal?.aborted;
        if (!isAway || !(await listedRecord.get((await getSession()).session.store))) throw error;
        return listStored();
      }
    },
    find: async (phone) => (await listStored()).find((one) => one.phone === phone),
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

/** In place of what was kept. */
async function keep({ store, turns }: Session, contacts: readonly Contact[]): Promise<void> {
  await turns.run(async () => {
    const before = await contactRecord.list(store);
    await store.commit([
      ...before.slice(contacts.length).map((_, at) => contactRecord.remove(contacts.length + at)),
      ...contacts.flatMap((one, at) =>
        JSON.stringify(before[at]?.value) === JSON.stringify(one) ? [] : [contactRecord.put([at], one)],
      ),
      listedRecord.put([], 1),
    ]);
  });
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
