import { rest as plainRest, sendTo, signInWithDevice, type Json, type Person } from "../rest-client.ts";

export interface DevicePerson extends Person {
  deviceId: string;
}

/** Somebody whose token published the device `phone`. */
export async function newPerson(url: string, deviceId = "phone", phone?: string): Promise<DevicePerson> {
  const person = await signInWithDevice(url, deviceId, phone);
  return { ...person, deviceId };
}

export async function newPair(url: string): Promise<[DevicePerson, DevicePerson]> {
  return [await newPerson(url), await newPerson(url)];
}

/** Sends texts one after the other; gives the stored messages. */
export async function sendAll(
  url: string,
  from: DevicePerson,
  to: { id: string },
  texts: string[],
): Promise<Json[]> {
  const sent: Json[] = [];
  for (const ciphertext of texts) sent.push(await sendTo(url, from, { to: to.id, ciphertext }));
  return sent;
}

export async function ack(url: string, token: string, path: string): Promise<void> {
  const answer = await plainRest(url, `POST /messages/${path}`, { token });
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
}
