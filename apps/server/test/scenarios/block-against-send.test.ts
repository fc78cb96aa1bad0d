import { expect, test } from "vitest";
import { createTestDatabase } from "../database.ts";
import { rest, signInWithDevice, type Json, type Person, type RestAnswer } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";

const rounds = 25;
const sendsAtOnce = 6;

function send(url: string, from: Person, to: Person): Promise<RestAnswer> {
  return rest(url, "POST /messages/send", {
    token: from.token,
    body: { recipient_user_id: to.id, sender_device_id: "phone", ciphertext: "c" },
  });
}

const change = (url: string, method: "POST" | "DELETE", [by, of]: [Person, Person]): Promise<RestAnswer> =>
  rest(url, `${method} /blocks?blocked_user_id=${of.id}`, { token: by.token });

async function countStored(url: string, by: Person): Promise<number> {
  const { body } = await rest(url, "GET /messages/inbox", { token: by.token });
  return (body["messages"] as Json[]).length;
}

async function newPair(url: string): Promise<[Person, Person]> {
  return [await signInWithDevice(url, "phone"), await signInWithDevice(url, "phone")];
}

test("once a block has answered nothing more is stored, whichever process the sends are on", async () => {
  await using database = await createTestDatabase();
  await using one = await startTestServer({ database });
  await using two = await startTestServer({ database });
  const [ada, bob] = await newPair(one.url);
  await send(one.url, bob, ada);
  let acceptedBefore = 1;
  for (let round = 0; round < rounds; round++) {
    const sends = Array.from({ length: sendsAtOnce }, (_, i) => send(i % 2 ? one.url : two.url, bob, ada));
    const blocked = await change(round % 2 ? one.url : two.url, "POST", [ada, bob]);
    expect(blocked.status).toBe(200);
    const storedAtBlock = await countStored(one.url, ada);
    const answers = await Promise.all(sends);
    for (const { status, body } of answers) {
      if (status !== 200)
        expect({ status, body }).toEqual({ status: 403, body: { detail: "You are blocked" } });
    }
    acceptedBefore += answers.filter(({ status }) => status === 200).length;
    expect(await countStored(one.url, ada), "nothing came after the block").toBe(storedAtBlock);
    expect(storedAtBlock, "what was accepted is stored").toBe(acceptedBefore);
    await change(two.url, "DELETE", [ada, bob]);
  }
  // Otherwise nothing raced.
  expect(acceptedBefore).toBeGreaterThan(1);
});

test("a block that is made while the conversation is made holds in it", async () => {
  await using database = await createTestDatabase();
  await using one = await startTestServer({ database });
  await using two = await startTestServer({ database });
  for (let round = 0; round < rounds; round++) {
    const [ada, bob] = await newPair(one.url);
    const first = send(two.url, bob, ada);
    const [blocked] = await Promise.all([change(one.url, "POST", [ada, bob]), first]);
    expect(blocked.status).toBe(200);
    for (const [from, to] of [
      [bob, ada],
      [ada, bob],
    ] as const) {
      expect((await send(two.url, from, to)).status).toBe(403);
    }
    expect(await countStored(one.url, ada)).toBe((await first).status === 200 ? 1 : 0);
  }
});
