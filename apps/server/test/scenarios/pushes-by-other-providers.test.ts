import { createDecipheriv, createECDH, hkdfSync, randomBytes } from "node:crypto";
import { importJWK, jwtVerify } from "jose";
import { expect, test } from "vitest";
import { newPair, sendAll } from "../contract/people.ts";
import { HttpStandIn } from "../http-stand-in.ts";
import { readPushToken, setPushToken } from "../push-fixtures.ts";
import type { Json } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";

function newKeys() {
  const ecdh = createECDH("prime256v1");
  ecdh.generateKeys();
  // Without its leading zeros, which one key in 256 has.
  const scalar = ecdh.getPrivateKey();
  const privateKey = Buffer.concat([Buffer.alloc(32 - scalar.length), scalar]);
  return { ecdh, publicKey: ecdh.getPublicKey(), privateKey };
}

/** RFC 8291, section 3.4, read by the browser: independent of what the server encrypts with. */
function decrypt(body: Buffer, browser: ReturnType<typeof newKeys>, auth: Buffer): Json {
  const [salt, keyLength] = [body.subarray(0, 16), body[20] ?? 0];
  const serverKey = body.subarray(21, 21 + keyLength);
  const sealed = body.subarray(21 + keyLength);
  const info = Buffer.concat([Buffer.from("WebPush: info\0"), browser.publicKey, serverKey]);
  const ikm = Buffer.from(hkdfSync("sha256", browser.ecdh.computeSecret(serverKey), auth, info, 32));
  const derive = (label: string, length: number): Buffer =>
    Buffer.from(hkdfSync("sha256", ikm, salt, Buffer.from(`Content-Encoding: ${label}\0`), length));
  const decipher = createDecipheriv("aes-128-gcm", derive("aes128gcm", 16), derive("nonce", 12));
  decipher.setAuthTag(sealed.subarray(-16));
  const record = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
  expect(record.at(-1), "the last record ends with 2").toBe(2);
  return JSON.parse(record.subarray(0, -1).toString()) as Json;
}

test("Web Push: the browser can open what came, and the server has signed for it", async () => {
  await using pushService = await HttpStandIn.listen();
  pushService.answer = () => ({ status: 201 });
  const [browser, vapid, auth] = [newKeys(), newKeys(), randomBytes(16)];
  const env = {
    PUSH_PROVIDER: "webpush",
    VAPID_PUBLIC_KEY: vapid.publicKey.toString("base64url"),
    VAPID_PRIVATE_KEY: vapid.privateKey.toString("base64url"),
    VAPID_SUBJECT: "mailto:operator@example.org",
  };
  await using server = await startTestServer({ env });
  const subscribe = (endpoint: string): string =>
    JSON.stringify({
      endpoint,
      expirationTime: null,
      keys: { p256dh: browser.publicKey.toString("base64url"), auth: auth.toString("base64url") },
    });
  const [alice, bob] = await newPair(server.url);
  await setPushToken(server.url, bob, subscribe(`${pushService.url}/subscription/1`));
  const [message] = await sendAll(server.url, alice, bob, ["the secret ciphertext"]);
  await pushService.until((received) => received.length > 0);

  const [push] = pushService.received;
  if (!push) throw new Error("nothing came");
  const { message_id, conversation_id } = {
    message_id: message?.["id"],
    conversation_id: message?.["conversation_id"],
  };
  expect(decrypt(push.body, browser, auth)).toEqual({
    title: "New message",
    body: "You have a new message",
    data: { conversation_id, message_id },
  });
  expect(push.path).toBe("/subscription/1");
  expect(push.headers).toMatchObject({
    "content-encoding": "aes128gcm",
    urgency: "high",
    topic: String(conversation_id).replaceAll("-", ""),
    ttl: expect.stringMatching(/^\d+$/) as unknown,
  });
  const [, token = "", key] = /^vapid t=([\w.-]+), k=([\w-]+)$/.exec(push.headers.authorization ?? "") ?? [];
  expect(key).toBe(env.VAPID_PUBLIC_KEY);
  const [x, y] = [vapid.publicKey.subarray(1, 33), vapid.publicKey.subarray(33)].map((part) =>
    part.toString("base64url"),
  );
  const verified = await jwtVerify(
    token,
    await importJWK({ kty: "EC", crv: "P-256", x: x ?? "", y: y ?? "" }, "ES256"),
    {
      audience: pushService.url,
    },
  );
  expect(verified.payload.sub).toBe("mailto:operator@example.org");

  // Gone, an address inside the network, and no subscription at all: all three are forgotten.
  pushService.answer = () => ({ status: 410 });
  for (const dead of [
    subscribe(`${pushService.url}/gone`),
    subscribe("https://10.0.0.1/push"),
    "no subscription",
  ]) {
    await setPushToken(server.url, bob, dead);
    await sendAll(server.url, alice, bob, [dead]);
    await expect.poll(() => readPushToken(server, bob), { timeout: 10_000 }).toBeNull();
  }
  expect(pushService.received.map(({ path }) => path)).toEqual(["/subscription/1", "/gone"]);
});

test("the legacy form: one key, and a refusal inside an answer of 200", async () => {
  await using gateway = await HttpStandIn.listen();
  gateway.answer = () => ({ status: 200, body: JSON.stringify({ success: 1, failure: 0, results: [{}] }) });
  const env = { PUSH_PROVIDER: "fcm", FCM_SERVER_KEY: "server-key", FCM_BASE_URL: `${gateway.url}/` };
  await using server = await startTestServer({ env });
  const [alice, bob] = await newPair(server.url);
  await setPushToken(server.url, bob, "token-of-bob");
  const [message] = await sendAll(server.url, alice, bob, ["the secret ciphertext"]);
  await gateway.until((received) => received.length > 0);
  const [push] = gateway.received;
  expect(push?.path).toBe("/fcm/send");
  expect(push?.headers.authorization).toBe("key=server-key");
  expect(JSON.parse(push?.body.toString() ?? "")).toEqual({
    to: "token-of-bob",
    notification: { title: "New message", body: "You have a new message" },
    data: { conversation_id: message?.["conversation_id"], message_id: message?.["id"] },
    collapse_key: message?.["conversation_id"],
  });

  gateway.answer = () => ({
    status: 200,
    body: JSON.stringify({ failure: 1, results: [{ error: "NotRegistered" }] }),
  });
  await sendAll(server.url, alice, bob, ["two"]);
  await expect.poll(() => readPushToken(server, bob), { timeout: 10_000 }).toBeNull();
});
