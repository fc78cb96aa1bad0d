import type { Handlers } from "../../pipeline/call.ts";
import { addContact, getContacts } from "./contacts.service.ts";

export const contactsRouter: Handlers<"contacts"> = {
  add: (call, { phone }) => addContact(call, phone),
  list: (call) => getContacts(call),
};
