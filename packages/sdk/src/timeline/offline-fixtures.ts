/** For tests only: a session on a store, where no server is. */
import { createApi } from "../api/api.ts";
import type { ConversationOptions } from "../conversation.ts";
import { Emitter } from "../emitter.ts";
import type { ClientEvents } from "../events.ts";
import { storeSpool } from "../files/spool.ts";
import { Account } from "../identity/account.ts";
import { openSession } from "../open-session.ts";
import type { Store } from "../storage/store.ts";
import { me } from "./timeline-fixtures.ts";

const url = "http://127.0.0.1:9";

/** Bob's, as conversations are made of it. */
export async function openOffline(store: Store): Promise<ConversationOptions> {
  const events = new Emitter<ClientEvents>();
  const signedIn = openSession(me, {
    url,
    store,
    spool: storeSpool(store),
    now: Date.now,
    pq: "prefer",
    policy: "tofu",
    account: await Account.load(store, Date.now),
    api: createApi({ url, getToken: () => undefined }),
    events,
    getTab: () => undefined,
  });
  return {
    getSession: async () => signedIn,
    listen: (name, listener) => events.on(name, listener),
  };
}
