import { rest, type Json } from "../../rest-client.ts";
import { newPerson, type DevicePerson } from "../people.ts";

/** Who stands how to the scene's group; the blocked one is a member whom the owner blocks. */
export const roles = ["owner", "admin", "member", "former", "stranger", "blocked"] as const;
export type Role = (typeof roles)[number];
type Cast = Record<Role, DevicePerson> & { other: DevicePerson };

/** A group in which every role is held, and a conversation of owner and blocked, made before the block. */
export interface Scene {
  url: string;
  cast: Cast;
  group: string;
  /** The other member's, sent while the former member was in. */
  before: string;
  /** The other member's, sent when the former member was out. */
  after: string;
  /** Of the other member's messages, in the same order. */
  attachments: [before: string, after: string];
  /** The other member's, unfinished. */
  upload: string;
  invite: string;
  direct: string;
  /** From the blocked one to the owner. */
  directMessage: string;
}

/** The people, once for all scenes, with their conversation and the block. */
export async function newCast(url: string) {
  const [owner, admin, member, former, stranger, blocked, other] = await Promise.all([
    newPerson(url),
    newPerson(url),
    newPerson(url),
    newPerson(url),
    newPerson(url),
    newPerson(url),
    newPerson(url),
  ]);
  const cast: Cast = { owner, admin, member, former, stranger, blocked, other };
  const sent = await act(url, blocked, "POST /messages/send", {
    recipient_user_id: owner.id,
    sender_device_id: "phone",
    ciphertext: "before the block",
  });
  await act(url, other, "POST /keys/publish", { device_id: "of-other", public_key: "k" });
  await act(url, owner, `POST /blocks?blocked_user_id=${blocked.id}`);
  return { url, cast, direct: String(sent["conversation_id"]), directMessage: String(sent["id"]) };
}

export async function newScene(given: Awaited<ReturnType<typeof newCast>>): Promise<Scene> {
  const { url, cast } = given;
  const { owner, admin, member, former, blocked, other } = cast;
  // The block is between owner and blocked, so that the admin adds whom the owner may not.
  const made = await act(url, admin, "POST /groups", {
    name: "Harbour",
    member_user_ids: [owner, member, former, blocked, other].map(({ id }) => id),
  });
  const group = String(made["id"]);
  await act(url, admin, `POST /groups/${group}/transfer_ownership`, { new_owner_user_id: owner.id });
  const before = await sendToGroup(url, other, group);
  const early = await attach(url, other, before);
  await act(url, former, `POST /groups/${group}/leave`);
  const after = await sendToGroup(url, other, group);
  const attachments: [string, string] = [early, await attach(url, other, after)];
  await act(url, owner, `POST /groups/${group}/avatar/url`, { url: "https://pictures.example/a.png" });
  const upload = await act(url, other, "POST /uploads", { size_bytes: 3 });
  const invite = await act(url, owner, `POST /groups/${group}/invites`);
  return {
    ...given,
    group,
    before,
    after,
    attachments,
    upload: String(upload["upload_id"]),
    invite: String(invite["code"]),
  };
}

export async function sendToGroup(url: string, by: DevicePerson, group: string): Promise<string> {
  const body = { conversation_id: group, sender_device_id: "phone", ciphertext: "to the group" };
  const sent = await act(url, by, "POST /messages/send_group", body);
  return String((sent["message_ids"] as string[])[0]);
}

async function attach(url: string, by: DevicePerson, message: string): Promise<string> {
  const body = { ciphertext_b64: "YWJj" };
  return String((await act(url, by, `POST /messages/${message}/attachments`, body))["id"]);
}

export async function act(url: string, by: DevicePerson, route: string, body?: object): Promise<Json> {
  const answer = await rest(url, route, { token: by.token, ...(body ? { body } : {}) });
  if (answer.status !== 200) throw new Error(`${route}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}
