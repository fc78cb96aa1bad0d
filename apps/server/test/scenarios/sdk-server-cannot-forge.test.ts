import { expect, test } from "vitest";
import { TestUser } from "../sdk-fixtures.ts";
import { runSql } from "../sql.ts";
import { startTestServer } from "../test-server.ts";

test("a server that repeats, renames or misplaces a message is found out", async () => {
  await using server = await startTestServer();
  const { url, database } = server;
  await using alice = await TestUser.open({ url });
  await using alicePhone = await TestUser.open({ url, phone: alice.phone });
  await using bob = await TestUser.open({ url });
  await alicePhone.to(bob).send("from the phone");
  const { id, conversationId } = await alice.to(bob).send("pay 10");
  await bob.untilReceived(2);
  await bob.client.stop();

  const copyAs = (sender: { userId: string; deviceId: string }, ciphertext = "ciphertext") =>
    runSql(
      database.url,
      `with raised as (
         update conversations set last_seq = last_seq + 1 where id = '${conversationId}' returning last_seq
       )
       insert into messages (conversation_id, seq, id, sender_user_id, sender_device_id, sent_at, ciphertext, wraps)
       select conversation_id, raised.last_seq, gen_random_uuid(), '${sender.userId}', '${sender.deviceId}', sent_at,
         ${ciphertext}, wraps
       from messages, raised where messages.id = '${id}'`,
    );
  await copyAs(alice.me);
  await copyAs(alicePhone.me);
  await copyAs(bob.me);
  await copyAs({ userId: alice.userId, deviceId: "made-up" });
  await copyAs(alice.me, "left(ciphertext, 400) || 'AAAA' || substr(ciphertext, 405)");
  await copyAs(alice.me, "left(ciphertext, 100)");
  await alice.to(bob).send("pay 20");

  await bob.start();
  await bob.until("the last one", () => bob.texts.at(-1) === "pay 20");
  expect(bob.texts.filter((text) => !text.startsWith("("))).toEqual(["from the phone", "pay 10", "pay 20"]);
  const reasons = bob.received.flatMap((message) => (message.kind === "unreadable" ? [message.reason] : []));
  // The copy in the name of Bob's own device is not for him to read; the history shows it.
  expect(reasons).toEqual(["replayed", "wrong_device", "sender_unverified", "wrap_rejected", "malformed"]);
  const { messages } = await bob.to(alice).messages();
  expect(messages.filter(({ content }) => content.kind === "text")).toHaveLength(3);
});
