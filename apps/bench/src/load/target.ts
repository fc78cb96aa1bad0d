import { deviceId, tokenOf, userIdOf } from "../people.ts";
import { writeRequest } from "./http-connection.ts";

/** What the load is put on. The floor takes the user's id for a token. */
export interface Target {
  url: string;
  kind: "sotto" | "floor" | "raw";
}

export type Door = "rest" | "trpc-http" | "trpc-ws";

export const tokenFor = (target: Target, person: number): string =>
  target.kind === "sotto" ? tokenOf(person) : userIdOf(person);

/** 256 characters that begin with the number, so that whoever receives them can tell which they are. */
export const ciphertextOf = (n: number, size = 256): string =>
  `${String(n).padStart(12, "0")}.`.padEnd(size, "x");

export const numberIn = (frame: Buffer): number => {
  const at = frame.indexOf(marker);
  return at < 0 ? -1 : Number(frame.toString("latin1", at + marker.length, at + marker.length + 12));
};
const marker = '"ciphertext":"';

let lastMessage = 0;
/** Unique among all load processes of a run. */
const nextMessageId = (): string => `${process.pid}-${++lastMessage}`;

/** The input of a send: with the names of REST, or of tRPC. */
export function sendInput(
  door: Door,
  to: { person: number } | { group: string },
  ciphertext: string,
): object {
  const clientMessageId = nextMessageId();
  if (door === "rest") {
    const where = "group" in to ? { conversation_id: to.group } : { recipient_user_id: userIdOf(to.person) };
    return { ...where, sender_device_id: deviceId, ciphertext, client_message_id: clientMessageId };
  }
  const where = "group" in to ? { conversationId: to.group } : { recipientUserId: userIdOf(to.person) };
  return { ...where, senderDeviceId: deviceId, ciphertext, clientMessageId };
}

export function sendRequest(
  door: "rest" | "trpc-http",
  token: string,
  { to, ciphertext }: { to: { person: number } | { group: string }; ciphertext: string },
): string {
  const isGroup = "group" in to;
  const path =
    door === "rest"
      ? `/messages/${isGroup ? "send_group" : "send"}`
      : `/trpc/messages.${isGroup ? "sendGroup" : "send"}`;
  return writeRequest(`POST ${path}`, token, JSON.stringify(sendInput(door, to, ciphertext)));
}
