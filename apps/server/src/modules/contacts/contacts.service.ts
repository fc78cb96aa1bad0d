import type { Contact } from "@sotto/schema";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { transact } from "../../pipeline/transact.ts";
import { requirePhone } from "../accounts/otp.service.ts";
import { findUserByPhone, lockUser } from "../accounts/users.service.ts";
import { appendAccountEntries } from "../logs/logs.service.ts";
import { countContacts, insertContact, listContacts } from "./contacts.queries.ts";
import { requireFewNumbers } from "./lookups.service.ts";

const maxContacts = 10_000;

/** A block changes nothing here: an answer of its own would tell of it. */
export async function addContact(call: Call, phone: string) {
  const { app, caller } = call;
  const { userId } = caller;
  requirePhone(phone);
  await requireFewNumbers(call, phone);
  return transact(call, async (tx, wakes) => {
    const at = app.now();
    await lockUser(tx, userId);
    const contactUserId = await findUserByPhone(tx, phone);
    if (!contactUserId) throw new AppError("CONTACT_NOT_FOUND");
    if (contactUserId === userId) throw new AppError("CONTACT_SELF");
    if (await insertContact(tx, { userId, contactUserId, at })) {
      if ((await countContacts(tx, userId)) > maxContacts) throw new AppError("CONTACT_LIMIT_REACHED");
      await appendAccountEntries(tx, wakes, {
        userId,
        at,
        events: [{ type: "contact.added", userId: contactUserId }],
      });
    }
    return { detail: "ok" as const };
  });
}

export async function getContacts(call: Call): Promise<Contact[]> {
  const rows = await listContacts(call.app.db, call.caller.userId, maxContacts);
  return rows.map(({ id, phone, name }) => ({ userId: id, phone, name }));
}
