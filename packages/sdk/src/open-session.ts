import { createRest } from "./api/rest.ts";
import type { Api } from "./api/api.ts";
import type { SignedIn } from "./conversations.ts";
import type { PqPolicy } from "./crypto/wrap-for-devices.ts";
import type { Emitter } from "./emitter.ts";
import type { ClientEvents } from "./events.ts";
import { FileTransfers } from "./files/file-transfers.ts";
import type { Spool } from "./files/spool.ts";
import type { Account, Me } from "./identity/account.ts";
import { Directory } from "./identity/directory.ts";
import { Identities, type IdentityChangePolicy } from "./identity/identities.ts";
import { takeHandover } from "./identity/linking.ts";
import { OwnIdentity } from "./identity/own-identity.ts";
import { Inbox } from "./messages/inbox.ts";
import { Outbox } from "./messages/outbox.ts";
import { type SharedNews, tellHere } from "./news.ts";
import type { Session } from "./session.ts";
import { SessionStore } from "./storage/session-store.ts";
import type { Store } from "./storage/store.ts";
import type { ClientTab } from "./tabs.ts";
import { turnsOf } from "./turns.ts";

/** What a client works with. */
export interface ClientParts {
  url: string;
  store: Store;
  spool: Spool;
  now: () => number;
  pq: PqPolicy;
  policy: IdentityChangePolicy;
  account: Account;
}

interface SessionParts extends ClientParts {
  api: Api;
  events: Emitter<ClientEvents>;
  /** Where several tabs may have the store open. */
  getTab: () => ClientTab | undefined;
}

/** Puts together what lives as long as a user is signed in. */
export function openSession(me: Me, parts: SessionParts): SignedIn {
  const { api, events, getTab, account, url, spool, now, pq, policy } = parts;
  const store = new SessionStore(parts.store);
  const turns = turnsOf(store, "store");
  const tell = (news: SharedNews): Promise<void> => {
    getTab()?.tell(news);
    return tellHere(signedIn, news);
  };
  const tellIdentity = (event: ClientEvents["identity"]): void => void tell({ type: "identity", event });
  const identities = new Identities({ store, turns, api, me, now, tell: tellIdentity, policy });
  const checkOwn = (signal?: AbortSignal): Promise<void> => identity.check(signal);
  const directory = new Directory({ store, turns, identities, me, now, checkOwn });
  const identity = new OwnIdentity({
    store,
    api,
    me,
    account,
    identities,
    directory,
    tell: tellIdentity,
    now,
  });
  const session: Session = {
    url,
    me,
    account,
    api,
    rest: createRest({ url, getToken: () => account.token }),
    files: new FileTransfers(spool, store),
    store,
    directory,
    identities,
    identity,
    events,
    tell,
    pq,
    now,
    turns,
    end: () => store.end(),
  };
  identity.onPending((lookup, signal) => takeHandover(session, lookup, signal));
  const outbox = new Outbox(session, () => getTab()?.setAwaited(outbox.isAwaited));
  const signedIn: SignedIn = { session, outbox, inbox: new Inbox(store) };
  return signedIn;
}
