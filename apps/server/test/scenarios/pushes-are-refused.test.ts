import { expect, test } from "vitest";
import { newPair, newPerson, sendAll } from "../contract/people.ts";
import { answerAsFcm, fcmEnv, listenAsFcm, pushesOf, readPushToken, setPushToken } from "../push-fixtures.ts";
import { startTestServer } from "../test-server.ts";

test("a token that the provider calls dead is forgotten, unless the device has brought another", async () => {
  await using fcm = await listenAsFcm();
  await using server = await startTestServer({ env: fcmEnv(fcm).env });
  const unregistered = {
    error: { code: 404, status: "NOT_FOUND", details: [{ errorCode: "UNREGISTERED" }] },
  };
  const [alice, bob] = await newPair(server.url);
  await setPushToken(server.url, bob, "old");
  let bring: string | undefined = "new";
  fcm.answer = async (request) => {
    if (request.path === "/token") return answerAsFcm(request);
    if (bring) await setPushToken(server.url, bob, bring);
    bring = undefined;
    return { status: 404, body: JSON.stringify(unregistered) };
  };
  await sendAll(server.url, alice, bob, ["one"]);
  await fcm.until(() => pushesOf(fcm).length === 1);
  await sendAll(server.url, alice, bob, ["two"]);
  await fcm.until(() => pushesOf(fcm).length === 2);
  expect(pushesOf(fcm).map(({ token }) => token)).toEqual(["old", "new"]);
  await expect.poll(() => readPushToken(server, bob)).toBeNull();
});

test("a provider that is busy is asked again; another refusal is not repeated", async () => {
  await using fcm = await listenAsFcm();
  await using server = await startTestServer({ env: fcmEnv(fcm).env });
  const [alice, bob] = await newPair(server.url);
  const refused = await newPerson(server.url);
  await setPushToken(server.url, bob, "busy");
  await setPushToken(server.url, refused, "refused");
  const statuses = { busy: [503, 429, 200], refused: [400, 200] };
  fcm.answer = (request) => {
    if (request.path === "/token") return answerAsFcm(request);
    const name = request.body.includes('"busy"') ? "busy" : "refused";
    return { status: statuses[name].shift() ?? 500 };
  };
  await sendAll(server.url, alice, refused, ["one"]);
  await sendAll(server.url, alice, bob, ["one"]);
  await fcm.until(() => pushesOf(fcm).filter(({ token }) => token === "busy").length === 3);
  expect(pushesOf(fcm).filter(({ token }) => token === "refused")).toHaveLength(1);
  expect(await readPushToken(server, refused)).toBe("refused");
});
