import { randomInt } from "node:crypto";

/** A third-party client: knows the wire contract only. */
export interface RestAnswer {
  status: number;
  // The answers are what is under test, so they are looked at as they came.
  body: Json;
  headers: Headers;
}
export type Json = Record<string, unknown>;

export interface RestOptions {
  token?: string | undefined;
  body?: unknown;
  headers?: Record<string, string>;
}

export async function rest(url: string, route: string, options: RestOptions = {}): Promise<RestAnswer> {
  const [method = "GET", path = "/"] = route.split(" ");
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
      ...(options.body === undefined ? {} : { "content-type": "application/json" }),
      ...options.headers,
    },
    ...(options.body === undefined
      ? {}
      : { body: typeof options.body === "string" ? options.body : JSON.stringify(options.body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: readJson(text) };
}

function readJson(text: string): Json {
  return text === "" ? {} : (JSON.parse(text) as Json);
}

export interface Person {
  token: string;
  id: string;
  phone: string;
}

export function randomPhone(): string {
  return `+49${randomInt(1_000_000_000, 9_999_999_999)}`;
}

/** Signs a number in over REST; a new one becomes a user. */
export async function signIn(url: string, phone = randomPhone()): Promise<Person> {
  const asked = await rest(url, "POST /auth/request_otp", { body: { phone } });
  const verified = await rest(url, "POST /auth/verify_otp", {
    body: { phone, otp: asked.body["dev_code"], session_id: asked.body["otp_session"] },
  });
  const token = String(verified.body["access_token"]);
  const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as {
    sub: string;
  };
  return { token, id: claims.sub, phone };
}

/** A person whose token has published a device. */
export async function signInWithDevice(
  url: string,
  deviceId: string,
  phone = randomPhone(),
): Promise<Person> {
  const person = await signIn(url, phone);
  await rest(url, "POST /keys/publish", {
    token: person.token,
    body: { device_id: deviceId, public_key: `key-of-${deviceId}` },
  });
  return person;
}

/** Sends a ciphertext; gives the stored message, or throws with the refusal. */
export async function sendTo(
  url: string,
  sender: { token: string; deviceId: string },
  message: { to: string; ciphertext: string; clientMessageId?: string },
): Promise<Json> {
  const answer = await rest(url, "POST /messages/send", {
    token: sender.token,
    body: {
      recipient_user_id: message.to,
      sender_device_id: sender.deviceId,
      ciphertext: message.ciphertext,
      ...(message.clientMessageId ? { client_message_id: message.clientMessageId } : {}),
    },
  });
  if (answer.status !== 200) throw new Error(`send: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}
