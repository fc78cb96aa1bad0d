import { expect, test } from "vitest";
import { newGroup, newMembers } from "../groups.ts";
import { signIn, type RestAnswer } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { unknownId } from "./contract-routes.ts";
import { outcome, rest } from "./described-rest.ts";

const query = (url: string, token: string | undefined, userIds: unknown): Promise<RestAnswer> =>
  rest(url, "POST /keys/query", { ...(token ? { token } : {}), body: { user_ids: userIds } });
const namesIn = ({ body }: RestAnswer): unknown[] =>
  (body["users"] as { user_id: string; devices: { device_id: string }[] }[]).map(({ user_id, devices }) => [
    user_id,
    devices.map(({ device_id }) => device_id),
  ]);

test("gives the devices of each user once, in the order of the question; an unknown one has none", async () => {
  await using server = await startTestServer();
  const [ada, bob, carol] = await newMembers(server.url, 3);
  if (!ada || !bob || !carol) throw new Error("three were made");
  const answer = await query(server.url, ada.token, [carol.id, unknownId, ada.id, bob.id, carol.id]);
  expect(answer.status).toBe(200);
  expect(namesIn(answer)).toEqual([
    [carol.id, ["phone"]],
    [unknownId, []],
    [ada.id, ["phone"]],
    [bob.id, ["phone"]],
  ]);
  expect(answer.body).not.toHaveProperty("users.0.devices.0.push_token");
});

test("is refused without a token, for no user, for more than 200 and for what is no id", async () => {
  await using server = await startTestServer();
  const { token } = await signIn(server.url);
  expect((await query(server.url, undefined, [unknownId])).status).toBe(401);
  for (const userIds of [[], Array.from({ length: 201 }, () => unknownId), ["x"], undefined]) {
    expect((await query(server.url, token, userIds)).status).toBe(422);
  }
});

test("counts a key look-up for each stranger, and none for whom one shares a conversation with", async () => {
  await using server = await startTestServer({ env: { KEY_LOOKUPS_PER_HOUR: "2" } });
  const [ada, bob, carol, stranger, another] = await newMembers(server.url, 5);
  if (!ada || !bob || !carol || !stranger || !another) throw new Error("five were made");
  await newGroup(server.url, ada, [bob, carol]);
  for (let time = 0; time < 3; time++) {
    expect((await query(server.url, ada.token, [ada.id, bob.id, carol.id])).status).toBe(200);
  }
  expect((await query(server.url, ada.token, [bob.id, stranger.id, another.id])).status).toBe(200);
  const limited = { status: 429, detail: "Rate limit exceeded" };
  expect(outcome(await query(server.url, ada.token, [stranger.id]))).toEqual(limited);
  expect(outcome(await rest(server.url, `GET /keys/${stranger.id}`, { token: ada.token }))).toEqual(limited);
  expect((await query(server.url, ada.token, [bob.id])).status).toBe(200);
});
