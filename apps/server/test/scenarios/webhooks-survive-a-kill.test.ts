import { expect, test } from "vitest";
import { newPair, sendAll } from "../contract/people.ts";
import { createTestDatabase } from "../database.ts";
import { HttpStandIn } from "../http-stand-in.ts";
import { launchServer } from "../server-process.ts";
import { createdIds, readEvent, webhookEnv } from "../webhook-fixtures.ts";

const limitMs = 60_000;

test(
  "a server that is killed between commit and delivery loses no event",
  async () => {
    await using database = await createTestDatabase();
    await using receiver = await HttpStandIn.listen();
    const env = webhookEnv([receiver]);
    let server = await launchServer({ databaseUrl: database.url, env });
    const { url, port } = server;
    try {
      const [alice, bob] = await newPair(url);
      // The first delivery hangs, so that nothing is delivered before the kill.
      const hanging = Promise.withResolvers<void>();
      receiver.answer = () => {
        hanging.resolve();
        return new Promise(() => {});
      };
      const sent = await sendAll(url, alice, bob, ["1", "2", "3"]);
      await hanging.promise;
      await server.kill();
      expect(receiver.received).toEqual([]);

      receiver.answer = () => ({ status: 200 });
      server = await launchServer({ databaseUrl: database.url, port, env });
      await receiver.until((received) => createdIds(received).length === sent.length, limitMs);
      expect(receiver.received.map((request) => readEvent(request).data["message_id"])).toEqual(
        sent.map(({ id }) => id),
      );
    } finally {
      await server.kill();
    }
  },
  limitMs,
);
