import * as contacts from "../domains/contacts.ts";
import { ok } from "../primitives.ts";
import type { Procedures } from "../procedure.ts";

export const contactsProcedures = {
  add: {
    kind: "mutation",
    access: "user",
    limit: "contact",
    summary: "Add the user of a phone number to my contacts",
    ...contacts.add,
    output: ok,
    creates: true,
    rest: { method: "POST", path: "/contacts/add" },
    errors: ["CONTACT_NOT_FOUND", "CONTACT_SELF", "CONTACT_LIMIT_REACHED", "INVALID_PHONE"],
  },
  list: {
    kind: "query",
    access: "user",
    limit: "general",
    summary: "List my contacts, in the order in which they were added",
    ...contacts.list,
    rest: { method: "GET", path: "/contacts" },
    errors: [],
  },
} as const satisfies Procedures;
