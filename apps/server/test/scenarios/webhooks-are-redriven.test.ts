import { expect, test } from "vitest";
import { runCommand } from "../command.ts";
import { newPair, sendAll } from "../contract/people.ts";
import { HttpStandIn } from "../http-stand-in.ts";
import { startTestServer } from "../test-server.ts";
import { createdIds, readEvent, webhookEnv } from "../webhook-fixtures.ts";

const command = (env: Record<string, string>, ...args: string[]): Promise<string> =>
  runCommand("webhooks:redrive", { env, args });

test("what was given up lets the next events pass, is listed, and is sent again by the command", async () => {
  await using receiver = await HttpStandIn.listen();
  const env = webhookEnv([receiver], { WEBHOOK_RETRY_FOR_SECS: "1" });
  await using server = await startTestServer({ env });
  const [alice, bob] = await newPair(server.url);
  const [poison] = await sendAll(server.url, alice, bob, ["poison"]);
  receiver.answer = ({ body }) => ({ status: body.includes(String(poison?.["id"])) ? 500 : 200 });
  const [next] = await sendAll(server.url, alice, bob, ["next"]);
  await receiver.until((received) => createdIds(received).includes(next?.["id"]));

  const commandEnv = { ...env, DB_URL: server.database.url };
  const listed = await command(commandEnv, "--list");
  expect(listed).toContain(`${receiver.url}/hook: 0 waiting, 1 given up`);
  expect(listed).toContain("chat.message.created");

  const before = receiver.received.length;
  receiver.answer = () => ({ status: 200 });
  expect(await command(commandEnv)).toContain("1 webhook is sent again.");
  await receiver.until((received) => received.length > before);
  const again = receiver.received.slice(before).map(readEvent);
  expect(again.map(({ data }) => data["message_id"])).toEqual([poison?.["id"]]);
  expect(again[0]?.id, "under the id that the receiver knows").toBe(
    receiver.received.map(readEvent).find(({ data }) => data["message_id"] === poison?.["id"])?.id,
  );
  expect(await command(commandEnv, "--list")).toContain("0 waiting, 0 given up");
});

test("the command explains itself and what it lacks", async () => {
  expect(await command({}, "--help")).toContain("npm run webhooks:redrive");
  await expect(command({})).rejects.toMatchObject({
    stderr: expect.stringContaining("WEBHOOK_ENABLED") as unknown,
  });
  await expect(command({}, "--nonsense")).rejects.toMatchObject({
    stderr: expect.stringMatching(/^Unknown option '--nonsense'/) as unknown,
  });
});
