import { rest as plainRest, signInWithDevice, type Json, type Person } from "./rest-client.ts";

/** A member of a test's group, with the device `phone`. */
export interface Member extends Person {
  deviceId: string;
}

export async function newMember(url: string): Promise<Member> {
  return { ...(await signInWithDevice(url, "phone")), deviceId: "phone" };
}

export function newMembers(url: string, count: number): Promise<Member[]> {
  return Promise.all(Array.from({ length: count }, () => newMember(url)));
}

export async function newThree(url: string): Promise<[Member, Member, Member]> {
  return [await newMember(url), await newMember(url), await newMember(url)];
}

/** Calls a route that must do what it is asked; gives its answer. */
export async function act(url: string, actor: Person, route: string, body?: object): Promise<Json> {
  const answer = await plainRest(url, route, { token: actor.token, ...(body ? { body } : {}) });
  if (answer.status !== 200) throw new Error(`${route}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

export async function newGroup(
  url: string,
  owner: Person,
  members: { id: string }[] = [],
  name = "Harbour",
): Promise<string> {
  const body = { name, member_user_ids: members.map(({ id }) => id) };
  return String((await act(url, owner, "POST /groups", body))["id"]);
}

/** A group in which each of the roles is held, and somebody who was removed. */
export interface Cast {
  owner: Member;
  admin: Member;
  member: Member;
  former: Member;
  stranger: Member;
}

export async function newCast(url: string): Promise<Cast> {
  const [owner, admin, member, former, stranger] = await Promise.all([
    newMember(url),
    newMember(url),
    newMember(url),
    newMember(url),
    newMember(url),
  ]);
  return { owner, admin, member, former, stranger };
}

/** A fresh group of the same people. */
export async function newGroupOf(url: string, cast: Cast): Promise<string> {
  const { owner, admin, member, former } = cast;
  const id = await newGroup(url, owner, [admin, member, former]);
  await act(url, owner, `POST /groups/${id}/members/${admin.id}/role`, { role: "admin" });
  await act(url, owner, `DELETE /groups/${id}/members/${former.id}`);
  return id;
}

export interface SeenMember {
  user_id: string;
  role: string;
  joined_at: string;
}

/** Who is in the group, by user id. */
export async function rolesOf(url: string, reader: Person, id: string): Promise<Record<string, string>> {
  const group = await act(url, reader, `GET /groups/${id}`);
  return Object.fromEntries((group["members"] as SeenMember[]).map(({ user_id, role }) => [user_id, role]));
}

export async function sendToGroup(
  url: string,
  sender: Member,
  id: string,
  ciphertext: string,
): Promise<string> {
  const body = { conversation_id: id, sender_device_id: sender.deviceId, ciphertext };
  const answer = await act(url, sender, "POST /messages/send_group", body);
  return String((answer["message_ids"] as string[])[0]);
}

/** The ciphertexts that a reader finds in the group's history, oldest first. */
export async function historyOf(url: string, reader: Person, id: string): Promise<unknown[]> {
  const answer = await act(url, reader, `GET /messages/history?conversation_id=${id}&limit=200`);
  return (answer["messages"] as Json[]).map((message) => message["ciphertext"]);
}
