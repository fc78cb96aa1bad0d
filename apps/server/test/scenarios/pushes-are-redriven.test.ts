import { expect, test } from "vitest";
import { runCommand } from "../command.ts";
import { newPair, sendAll } from "../contract/people.ts";
import { answerAsFcm, fcmEnv, listenAsFcm, pushesOf, setPushToken } from "../push-fixtures.ts";
import { startTestServer } from "../test-server.ts";

const command = (env: Record<string, string>, ...args: string[]): Promise<string> =>
  runCommand("push:redrive", { env, args });

test("a push that was given up is counted, and sent again by the command", async () => {
  await using fcm = await listenAsFcm();
  const env = { ...fcmEnv(fcm).env, PUSH_RETRY_LIMIT: "0" };
  await using server = await startTestServer({ env });
  const [alice, bob] = await newPair(server.url);
  await setPushToken(server.url, bob, "token");
  fcm.answer = (request) => (request.path === "/token" ? answerAsFcm(request) : { status: 503 });
  const [message] = await sendAll(server.url, alice, bob, ["one"]);
  await fcm.until(() => pushesOf(fcm).length === 1);

  const commandEnv = { ...env, DB_URL: server.database.url };
  await expect.poll(() => command(commandEnv, "--list"), { timeout: 15_000 }).toContain("1 given up");
  fcm.answer = answerAsFcm;
  expect(await command(commandEnv)).toContain("1 push is sent again.");
  await fcm.until(() => pushesOf(fcm).length === 2);
  expect(pushesOf(fcm)[1]).toMatchObject({ token: "token", data: { message_id: message?.["id"] } });
  expect(await command(commandEnv, "--list")).toContain("0 given up");
});

test("the command explains itself and what it lacks", async () => {
  expect(await command({}, "--help")).toContain("npm run push:redrive");
  await expect(command({})).rejects.toMatchObject({
    stderr: expect.stringContaining("PUSH_PROVIDER") as unknown,
  });
  await expect(command({ PUSH_PROVIDER: "fcm" }, "--limit", "0")).rejects.toMatchObject({
    stderr: expect.stringMatching(/limit|FCM/) as unknown,
  });
});
