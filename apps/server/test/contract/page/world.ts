import { rest, type Json } from "../../rest-client.ts";
import { newPerson, sendAll, type DevicePerson } from "../people.ts";

/** People who know each other, and a stranger. */
export interface World {
  url: string;
  ada: DevicePerson;
  bob: DevicePerson;
  /** Knows nobody. */
  eve: DevicePerson;
  /** Of ada and bob. */
  conversation: string;
  /** The server's. */
  clock: Clock;
}

export interface Clock {
  behindMs: number;
}

export async function newWorld(url: string, clock: Clock = { behindMs: 0 }): Promise<World> {
  const [ada, bob, eve] = [await newPerson(url), await newPerson(url), await newPerson(url)];
  const [message] = await sendAll(url, bob, ada, ["the first"]);
  return { url, ada, bob, eve, conversation: String(message?.["conversation_id"]), clock };
}

/** A new message from bob to ada. */
export async function newMessage({ url, ada, bob }: World): Promise<string> {
  const [message] = await sendAll(url, bob, ada, ["c"]);
  return String(message?.["id"]);
}

/** Does what a test needs done; throws when it is refused. */
export async function act(
  { url }: { url: string },
  by: { token: string },
  route: string,
  body?: object,
): Promise<Json> {
  const answer = await rest(url, route, { token: by.token, ...(body ? { body } : {}) });
  if (answer.status !== 200) throw new Error(`${route}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}
