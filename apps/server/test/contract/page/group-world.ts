import { newPerson, type DevicePerson } from "../people.ts";
import { act, type World } from "./world.ts";

/** A new group of ada (owner), bob (admin) and a member. */
export interface NewGroup {
  id: string;
  member: DevicePerson;
}

export async function newGroup(world: World): Promise<NewGroup> {
  const { ada, bob } = world;
  const member = await newPerson(world.url);
  const made = await act(world, ada, "POST /groups", {
    name: "Harbour",
    member_user_ids: [bob.id, member.id],
  });
  const id = String(made["id"]);
  await act(world, ada, `POST /groups/${id}/members/${bob.id}/role`, { role: "admin" });
  return { id, member };
}

/** A new message of the member to the group. */
export async function newGroupMessage(world: World, { id, member }: NewGroup): Promise<string> {
  const body = { conversation_id: id, sender_device_id: "phone", ciphertext: "to all" };
  const sent = await act(world, member, "POST /messages/send_group", body);
  return String((sent["message_ids"] as string[])[0]);
}
