import { expect, test } from "vitest";
import { ack, newPair, newPerson, sendAll } from "../contract/people.ts";
import { createTestDatabase } from "../database.ts";
import { act, newGroup } from "../groups.ts";
import { HttpStandIn } from "../http-stand-in.ts";
import { startTestServer } from "../test-server.ts";
import { readEvent, webhookEnv, type ReceivedEvent } from "../webhook-fixtures.ts";

const conversations = 5;
const messagesEach = 25;

test("many conversations at once on two servers: each event comes once, each conversation's in order", async () => {
  await using receiver = await HttpStandIn.listen();
  await using database = await createTestDatabase();
  const env = webhookEnv([receiver]);
  await using first = await startTestServer({ database, env });
  await using second = await startTestServer({ database, env });
  const sent = await Promise.all(
    Array.from({ length: conversations }, async () => {
      const [alice, bob] = await newPair(first.url);
      const ids: unknown[] = [];
      for (let i = 0; i < messagesEach; i++) {
        const [server, other] = i % 2 ? [first, second] : [second, first];
        const [message] = await sendAll(server.url, alice, bob, [`m${i}`]);
        ids.push(message?.["id"]);
        // Acks and the next send meet in the same stream.
        void ack(other.url, bob.token, `${String(message?.["id"])}/ack_delivered`);
      }
      return ids;
    }),
  );
  await receiver.until((received) => received.length >= conversations * messagesEach * 2);
  const events = receiver.received.map(readEvent);
  expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
  expect(events).toHaveLength(conversations * messagesEach * 2);
  for (const ids of sent) {
    const ofConversation = events.filter(({ data }) => ids.includes(data["message_id"]));
    const created = ofConversation.filter(({ name }) => name === "chat.message.created");
    expect(created.map(({ data }) => data["message_id"])).toEqual(ids);
    for (const id of ids) {
      const names = ofConversation.filter(({ data }) => data["message_id"] === id).map(({ name }) => name);
      expect(names).toEqual(["chat.message.created", "chat.message.delivered"]);
    }
  }
});

test("a group's messages count the other members; an attachment names its message", async () => {
  await using receiver = await HttpStandIn.listen();
  await using server = await startTestServer({ env: webhookEnv([receiver]) });
  const { url } = server;
  const [owner, ...members] = [
    await newPerson(url),
    await newPerson(url),
    await newPerson(url),
    await newPerson(url),
  ];
  const group = await newGroup(url, owner, members);
  const send = async (): Promise<string> => {
    const body = {
      conversation_id: group,
      sender_device_id: owner.deviceId,
      ciphertext: "the secret ciphertext",
    };
    const { message_ids } = await act(url, owner, "POST /messages/send_group", body);
    return String((message_ids as unknown[])[0]);
  };
  const messageId = await send();
  const body = { ciphertext_b64: Buffer.from("the secret bytes").toString("base64"), filename: "secret.txt" };
  const attachment = await act(url, owner, `POST /messages/${messageId}/attachments`, body);
  await act(url, owner, `DELETE /groups/${group}/members/${members[0]?.id ?? ""}`);
  const lastId = await send();
  await receiver.until((received) => received.length >= 3);

  const message = { conversation_id: group, sender_user_id: owner.id };
  const expected: Omit<ReceivedEvent, "id">[] = [
    { name: "chat.group.message.created", data: { message_id: messageId, ...message, count: 3 } },
    { name: "chat.attachment.added", data: { message_id: messageId, attachment_id: attachment["id"] } },
    { name: "chat.group.message.created", data: { message_id: lastId, ...message, count: 2 } },
  ];
  expect(receiver.received.map(readEvent).map(({ name, data }) => ({ name, data }))).toEqual(expected);
  for (const request of receiver.received) expect(request.body.toString()).not.toContain("secret");
});
