import type { DeviceId, UserId } from "@sotto/schema";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { HttpStandIn, type ReceivedRequest } from "./http-stand-in.ts";
import type { DevicePerson } from "./contract/people.ts";
import { rest, type Json } from "./rest-client.ts";
import type { TestServer } from "./test-server.ts";

/** A local stand-in for Google: the token endpoint and the sending one. */
export async function listenAsFcm(): Promise<HttpStandIn> {
  const fcm = await HttpStandIn.listen();
  fcm.answer = answerAsFcm;
  return fcm;
}

export function answerAsFcm({ path }: ReceivedRequest): { status: number; body: string } {
  if (path === "/token") {
    return { status: 200, body: JSON.stringify({ access_token: "access-token", expires_in: 3600 }) };
  }
  return { status: 200, body: JSON.stringify({ name: "projects/sotto/messages/1" }) };
}

export function fcmEnv(fcm: HttpStandIn): { env: Record<string, string>; publicKey: KeyObject } {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const account = {
    project_id: "sotto",
    client_email: "sotto@sotto.example",
    private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
    token_uri: `${fcm.url}/token`,
  };
  const env = {
    PUSH_PROVIDER: "fcm",
    FCM_BASE_URL: fcm.url,
    FCM_SERVICE_ACCOUNT_JSON: JSON.stringify(account),
  };
  return { env, publicKey };
}

/** What was sent to devices, not the requests for access tokens. */
export function pushesOf(fcm: HttpStandIn): Json[] {
  return fcm.received
    .filter(({ path }) => path !== "/token")
    .map(({ body }) => (JSON.parse(body.toString()) as { message: Json }).message);
}

export async function setPushToken(url: string, person: DevicePerson, pushToken: string): Promise<void> {
  const path = `PUT /keys/devices/${person.deviceId}`;
  const answer = await rest(url, path, { token: person.token, body: { push_token: pushToken } });
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status}`);
}

export async function readPushToken({ app }: TestServer, person: DevicePerson): Promise<string | null> {
  const { push_token } = await app.db
    .selectFrom("devices")
    .select("push_token")
    .where("user_id", "=", person.id as UserId)
    .where("device_id", "=", person.deviceId as DeviceId)
    .executeTakeFirstOrThrow();
  return push_token;
}
