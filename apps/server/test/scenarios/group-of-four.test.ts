import { afterAll, expect, test } from "vitest";
import { act, historyOf, newGroup, newMember, rolesOf, sendToGroup, type Member } from "../groups.ts";
import { rest, signInWithDevice, type Json } from "../rest-client.ts";
import { ResumingReader } from "../resuming-reader.ts";
import { startTestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());
const { url } = server;

/** What a log's frames say, in short. */
function say(frame: Json): string {
  if (frame["type"] === "message") return String((frame["message"] as Json)["ciphertext"]);
  return frame["type"] === "group" ? String(frame["action"]) : String(frame["type"]);
}

/** Connects, acknowledges everything of the group up to an entry, and gives what came. */
async function read(reader: ResumingReader, id: string, last: string): Promise<string[]> {
  const said = (): string[] => (reader.applied.get(id) ?? []).map(say);
  await reader.run({ until: () => said().at(-1) === last });
  return said();
}

async function named(names: string): Promise<Record<string, Member>> {
  const members: Record<string, Member> = {};
  for (const name of names.split(" ")) members[name] = await newMember(url);
  return members;
}

test("four people make a group, join by invite, are removed, come back, and catch up", async () => {
  const { ada, bob, cid, dan } = await named("ada bob cid dan");
  if (!ada || !bob || !cid || !dan) throw new Error("nobody");
  await using adaSocket = await WsClient.connect(url, { token: ada.token });
  await using bobSocket = await WsClient.connect(url, { token: bob.token });
  await using danSocket = await WsClient.connect(url, { token: dan.token });

  // Ada makes it with Bob, and makes Bob an admin.
  const id = await newGroup(url, ada, [bob], "Lighthouse");
  await bobSocket.next("group");
  expect(bobSocket.ofType("group")).toEqual([
    {
      type: "group",
      action: "created",
      conversation_id: id,
      actor_user_id: ada.id,
      user_ids: [bob.id],
      name: "Lighthouse",
      log: id,
      seq: 1,
    },
  ]);
  await act(url, ada, `POST /groups/${id}/members/${bob.id}/role`, { role: "admin" });

  // Cid looks at Bob's invite without a token, and takes it.
  const { code } = await act(url, bob, `POST /groups/${id}/invites`, { max_uses: 1 });
  const preview = await rest(url, `GET /groups/invites/${String(code)}`);
  expect(preview.body).toEqual({ conversation_id: id, name: "Lighthouse", remaining: 1 });
  await act(url, cid, `POST /groups/invites/${String(code)}/accept`);
  const cidReads = new ResumingReader(url, cid.token);
  expect(await read(cidReads, id, "member_joined")).toEqual(["member_joined"]);

  // What is said now is Bob's and Cid's, and not Dan's, who comes after it.
  await sendToGroup(url, ada, id, "before dan");
  await act(url, bob, `POST /groups/${id}/members`, [dan.id]);
  await sendToGroup(url, bob, id, "welcome dan");
  await danSocket.next("message");
  expect(danSocket.frames.filter((frame) => frame["log"] === id).map(say)).toEqual([
    "members_added",
    "welcome dan",
  ]);
  expect(await historyOf(url, dan, id)).toEqual(["welcome dan"]);
  const seenByCid = ["member_joined", "before dan", "members_added", "welcome dan"];
  expect(await read(cidReads, id, "welcome dan")).toEqual(seenByCid);

  // Bob is removed: that is the last that he hears. Cid is away from here on.
  await act(url, ada, `DELETE /groups/${id}/members/${bob.id}`);
  await sendToGroup(url, ada, id, "without bob");
  await adaSocket.until("the removal", () =>
    adaSocket.ofType("group").some((f) => say(f) === "member_removed"),
  );
  await bobSocket.until("the removal", () =>
    bobSocket.ofType("group").some((f) => say(f) === "member_removed"),
  );
  expect((await rest(url, `GET /groups/${id}`, { token: bob.token })).status).toBe(404);
  expect(await historyOf(url, bob, id)).toEqual(["before dan", "welcome dan"]);

  // Bob comes back as a member and hears what is said from then on.
  await act(url, ada, `POST /groups/${id}/members`, [bob.id]);
  await sendToGroup(url, dan, id, "bob again");
  await bobSocket.until("the message", () => bobSocket.ofType("message").some((f) => say(f) === "bob again"));
  const bobHeard = bobSocket.frames.filter((frame) => frame["log"] === id).map(say);
  expect(bobHeard).toEqual([
    "created",
    "role_changed",
    "member_joined",
    "before dan",
    "members_added",
    "member_removed",
    "members_added",
    "bob again",
  ]);
  expect(await historyOf(url, bob, id)).toEqual(["before dan", "welcome dan", "bob again"]);
  expect(await rolesOf(url, bob, id)).toEqual({
    [ada.id]: "owner",
    [bob.id]: "member",
    [cid.id]: "member",
    [dan.id]: "member",
  });

  // Cid catches up, in order, with nothing applied twice: an ack that was lost in the cut makes an entry come again.
  const whole = [...seenByCid, "member_removed", "without bob", "members_added", "bob again"];
  expect(await read(cidReads, id, "bob again")).toEqual(whole);
});

test("a device that is added later finds the groups of its user, from where its siblings are", async () => {
  const { ada, bob } = await named("ada bob");
  if (!ada || !bob) throw new Error("nobody");
  const id = await newGroup(url, ada, [bob]);
  await sendToGroup(url, ada, id, "old");
  const { messages } = await act(url, bob, "GET /messages/inbox?ack_delivered=true");
  expect((messages as Json[]).map((message) => message["ciphertext"])).toEqual(["old"]);
  const tablet = await signInWithDevice(url, "tablet", bob.phone);
  await sendToGroup(url, ada, id, "new");
  expect(await read(new ResumingReader(url, tablet.token), id, "new")).toEqual(["new"]);
  // A message sealed before the tablet was published would have left it out.
  const sealed = await rest(url, "POST /messages/send_group", {
    token: ada.token,
    body: {
      conversation_id: id,
      sender_device_id: "phone",
      ciphertext: "sealed",
      recipients: [{ user_id: bob.id, device_id: "phone", wrap: "w" }],
    },
  });
  expect(sealed.body["detail"]).toMatchObject({
    code: "device_list_stale",
    missing: [{ user_id: bob.id, device_id: "tablet" }],
  });
});
