/**
 * What goes in and out of each procedure, by area, without its route, limits and texts: for a client, which loads less.
 * What comes out has a name of its own, so that who takes that alone does not load the rest.
 */
export * as attachments from "./domains/attachments.ts";
export * as auth from "./domains/auth.ts";
export * as blocks from "./domains/blocks.ts";
export * as contacts from "./domains/contacts.ts";
export * as deviceLists from "./domains/device-lists.ts";
export * as groups from "./domains/groups.ts";
export * as invites from "./domains/invites.ts";
export * as keys from "./domains/keys.ts";
export * as messages from "./domains/messages.ts";
export * as presence from "./domains/presence.ts";
export * as sync from "./domains/sync.ts";
export * as uploads from "./domains/uploads.ts";
