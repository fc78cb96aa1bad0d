import type { Api } from "./api/api.ts";
import type { Rest } from "./api/rest.ts";
import type { PqPolicy } from "./crypto/wrap-for-devices.ts";
import type { Emitter } from "./emitter.ts";
import type { ClientEvents } from "./events.ts";
import type { FileTransfers } from "./files/file-transfers.ts";
import type { Account, Me } from "./identity/account.ts";
import type { Directory } from "./identity/directory.ts";
import type { Identities } from "./identity/identities.ts";
import type { OwnIdentity } from "./identity/own-identity.ts";
import type { SharedNews } from "./news.ts";
import type { Store } from "./storage/store.ts";
import type { Turns } from "./turns.ts";

/** What the parts of a signed-in client share. */
export interface Session {
  /** `https://host[:port][/path]` */
  url: string;
  me: Me;
  account: Account;
  api: Api;
  rest: Rest;
  /** What is on its way out. */
  files: FileTransfers;
  store: Store;
  /** Whoever reads the store to change what was read takes a turn, with the commit in it. No network in a turn. */
  turns: Turns;
  directory: Directory;
  identities: Identities;
  identity: OwnIdentity;
  events: Emitter<ClientEvents>;
  /** Tells the listeners here and in the other tabs what has happened. */
  tell: (news: SharedNews) => Promise<void>;
  pq: PqPolicy;
  /** ms since the epoch */
  now: () => number;
  /** From then on nobody who is still at work writes into the store. */
  end: () => Promise<void>;
}
