import { expect, test } from "vitest";
import { createTestDatabase } from "../database.ts";
import { randomPhone, rest, signIn, type Json, type RestAnswer } from "../rest-client.ts";
import { launchServer } from "../server-process.ts";

const atOnce = 20;
const reused = { status: 409, body: { detail: "Idempotency-Key was used for another request" } };

function publish(url: string, token: string, body: object, key: string): Promise<RestAnswer> {
  return rest(url, "POST /keys/publish", { token, body, headers: { "idempotency-key": key } });
}

function addContact(url: string, token: string, phone: string): Promise<RestAnswer> {
  return rest(url, "POST /contacts/add", {
    token,
    body: { phone },
    headers: { "idempotency-key": "contact" },
  });
}

const plain = ({ status, body }: RestAnswer): { status: number; body: Json } => ({ status, body });

async function countDevices(url: string, token: string): Promise<number> {
  const { body } = await rest(url, "GET /keys/me", { token });
  return (body as unknown as Json[]).length;
}

test("twenty equal requests on two processes do one thing and get one answer, also after both were killed", async () => {
  await using database = await createTestDatabase();
  const databaseUrl = database.url;
  await using first = await launchServer({ databaseUrl });
  await using second = await launchServer({ databaseUrl });
  const { token } = await signIn(first.url);
  // Without `device_id` each publication would be another device.
  const body = { public_key: "key" };
  const answers = await Promise.all(
    Array.from({ length: atOnce }, (_, i) =>
      publish([first.url, second.url][i % 2] ?? "", token, body, "device"),
    ),
  );
  const answer = plain(answers[0] ?? (await publish(first.url, token, body, "device")));
  expect(answer.status).toBe(200);
  expect(answers.map(plain)).toEqual(Array(atOnce).fill(answer));
  expect(await countDevices(first.url, token)).toBe(1);

  const phone = randomPhone();
  expect((await addContact(first.url, token, phone)).status).toBe(404);
  await Promise.all([first.kill(), second.kill()]);

  await using after = await launchServer({ databaseUrl });
  expect(plain(await publish(after.url, token, body, "device"))).toEqual(answer);
  expect(plain(await publish(after.url, token, { public_key: "other" }, "device"))).toEqual(reused);
  expect(await countDevices(after.url, token)).toBe(1);
  // What was refused is not remembered.
  await signIn(after.url, phone);
  expect((await addContact(after.url, token, phone)).status).toBe(200);
});
