import { createTRPCUntypedClient, httpLink } from "@trpc/client";
import { expect, test } from "vitest";
import { createLog } from "../../src/log.ts";
import { Canaries, readTables } from "../canaries.ts";
import { HttpStandIn } from "../http-stand-in.ts";
import { fcmEnv, listenAsFcm, pushesOf } from "../push-fixtures.ts";
import { randomPhone, rest, type Json } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { readEvent, webhookEnv } from "../webhook-fixtures.ts";
import { WsClient } from "../ws-client.ts";

test("names, phone numbers, ciphertexts, keys and tokens are in no log line, webhook, push, job or metric", async () => {
  const canaries = new Canaries();
  const lines: string[] = [];
  await using hook = await HttpStandIn.listen();
  await using fcm = await listenAsFcm();
  const payments = canaries.plant("payments-secret");
  await using server = await startTestServer({
    log: createLog("trace", { write: (line) => lines.push(line) }),
    env: {
      ...webhookEnv([hook]),
      ...fcmEnv(fcm).env,
      NOTIFY_MODE: "log",
      PAYMENTS_WEBHOOK_SECRET: payments,
    },
  });
  const { url } = server;
  const people = [await join(url, canaries), await join(url, canaries), await join(url, canaries)];
  await useEverything(url, canaries, people);
  await refuseEverything(url, canaries, people);

  await hook.until((received) => received.some((each) => readEvent(each).name === "chat.attachment.added"));
  await fcm.until(() => pushesOf(fcm).length > 0);
  expect(lines.some((line) => line.includes('"msg":"event"'))).toBe(true);
  expect(lines.length, "the log was written").toBeGreaterThan(20);

  for (const line of lines) expect(canaries.foundIn(line), line).toEqual([]);
  for (const { headers, body } of hook.received) {
    const text = JSON.stringify(headers) + body.toString();
    expect(canaries.foundIn(text), text).toEqual([]);
  }
  for (const push of pushesOf(fcm)) {
    const { token, ...shown } = push;
    expect(canaries.known.get(String(token)), "whom it goes to").toBe("push-token");
    expect(canaries.foundIn(JSON.stringify(shown))).toEqual([]);
  }
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(canaries.foundIn(metrics)).toEqual([]);
  const tables = await readTables(server.database.url);
  const jobs = [...tables].filter(([name]) => name.includes(".")).flatMap(([, rows]) => rows);
  expect(jobs.length, "there were jobs").toBeGreaterThan(0);
  for (const row of jobs) expect(canaries.foundIn(row), row).toEqual([]);
  const everStored = new Set([...tables.values()].flat().flatMap((row) => canaries.foundIn(row)));
  for (const what of ["token", "otp", "payments-secret"]) expect(everStored).not.toContain(what);
  // The search finds what is there.
  for (const what of ["ciphertext", "phone", "name"]) expect(everStored).toContain(what);
});

interface Planted {
  token: string;
  id: string;
  phone: string;
}

/** Signs somebody in whose every text is a canary. */
async function join(url: string, canaries: Canaries): Promise<Planted> {
  const phone = canaries.add("phone", randomPhone());
  const asked = await rest(url, "POST /auth/request_otp", { body: { phone } });
  const otp = String(asked.body["dev_code"]);
  const name = canaries.plant("name");
  const verified = await rest(url, "POST /auth/verify_otp", { body: { phone, otp, name } });
  const token = canaries.add("token", String(verified.body["access_token"]));
  const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as {
    sub: string;
  };
  const person = { token, id: claims.sub, phone };
  await act(url, person, "POST /keys/publish", {
    device_id: "phone",
    public_key: canaries.plant("key"),
    device_name: canaries.plant("device-name"),
    push_token: canaries.plant("push-token"),
  });
  return person;
}

async function act(url: string, by: { token: string }, route: string, body?: object): Promise<Json> {
  const answer = await rest(url, route, { token: by.token, ...(body ? { body } : {}) });
  if (answer.status !== 200) throw new Error(`${route}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** Every way in which content comes in and goes out. */
async function useEverything(url: string, canaries: Canaries, people: Planted[]): Promise<void> {
  const [ada, bob, cyd] = people as [Planted, Planted, Planted];
  await using socket = await WsClient.connect(url, { token: cyd.token, resume: true });
  await act(url, ada, "POST /contacts/add", { phone: bob.phone });
  await act(url, ada, "PUT /auth/pin", { pin: canaries.plant("pin").slice(0, 40) });
  const sealed = { sender_device_id: "phone", ciphertext: canaries.plant("ciphertext") };
  const sent = await act(url, ada, "POST /messages/send", { ...sealed, recipient_user_id: bob.id });
  const conversation = String(sent["conversation_id"]);
  await attach(url, canaries, ada, String(sent["id"]));
  const group = await act(url, ada, "POST /groups", {
    name: canaries.plant("group-name"),
    member_user_ids: [bob.id],
  });
  const invite = await act(url, ada, `POST /groups/${String(group["id"])}/invites`);
  const code = canaries.add("invite", String(invite["code"]));
  await act(url, cyd, `POST /groups/invites/${code}/accept`);
  const toGroup = await act(url, ada, "POST /messages/send_group", {
    ...sealed,
    conversation_id: group["id"],
    ciphertext: canaries.plant("ciphertext"),
  });
  const [groupMessage] = toGroup["message_ids"] as string[];
  await socket.next("message");
  socket.send({ type: "ack", log: group["id"], seq: 3 });
  await act(url, bob, `POST /messages/${String(sent["id"])}/ack_read`);
  await act(url, cyd, `POST /messages/${groupMessage}/reactions`, { emoji: "👍" });
  await act(url, ada, "POST /messages/typing", { peer_user_id: bob.id });
  await act(url, ada, `PATCH /groups/${String(group["id"])}`, { name: canaries.plant("group-name") });
  await act(url, ada, `POST /messages/export?conversation_id=${conversation}`);
  await act(url, ada, `POST /messages/import?conversation_id=${conversation}`, {
    messages: [{ ciphertext: canaries.plant("ciphertext") }],
  });
  await act(url, ada, `DELETE /messages/${groupMessage}`);
  // Nobody has read this one: it is pushed.
  await act(url, ada, "POST /messages/send", { ...sealed, recipient_user_id: bob.id });
}

async function attach(url: string, canaries: Canaries, by: Planted, message: string): Promise<void> {
  const content = canaries.plant("attachment");
  const base64 = canaries.add("attachment", Buffer.from(content).toString("base64"));
  await act(url, by, `POST /messages/${message}/attachments`, {
    filename: canaries.plant("filename"),
    ciphertext_b64: base64,
  });
  const uploaded = await fetch(`${url}/messages/${message}/attachments/upload`, {
    method: "POST",
    headers: { authorization: `Bearer ${by.token}`, "x-filename": canaries.plant("filename") },
    body: canaries.plant("attachment"),
  });
  expect(uploaded.status).toBe(200);
  const { download_url } = (await uploaded.json()) as { download_url: string };
  await (await fetch(url + download_url, { headers: { authorization: `Bearer ${by.token}` } })).text();
}

/** What is refused may be written of, without what was in it. */
async function refuseEverything(url: string, canaries: Canaries, people: Planted[]): Promise<void> {
  const [ada, bob] = people as [Planted, Planted];
  const bad = [canaries.plant("ciphertext"), { deep: { er: canaries.plant("ciphertext") } }];
  for (const ciphertext of [...bad, "x".repeat(300_000)]) {
    const body = { recipient_user_id: bob.id, sender_device_id: "phone", ciphertext, recipients: [] };
    expect(
      (await rest(url, "POST /messages/send", { token: ada.token, body })).status,
    ).toBeGreaterThanOrEqual(400);
    const headers = { authorization: `Bearer ${ada.token}` };
    const client = createTRPCUntypedClient({ links: [httpLink({ url: `${url}/trpc`, headers })] });
    const input = { recipientUserId: ada.id, senderDeviceId: "phone", ciphertext };
    await expect(client.mutation("messages.send", input)).rejects.toThrow();
  }
  const refused = [
    rest(url, `GET /messages/history?conversation_id=${canaries.plant("query")}`, { token: ada.token }),
    rest(url, `GET /keys/${canaries.plant("path")}`, { token: ada.token }),
    rest(url, "POST /auth/verify_otp", { body: { phone: ada.phone, otp: canaries.add("otp", "918273") } }),
    rest(url, "POST /auth/request_otp", { body: { phone: canaries.plant("phone") } }),
    rest(url, "GET /keys/me", { token: canaries.plant("token") }),
    rest(url, "POST /messages/send", { token: ada.token, body: `{"x":"${canaries.plant("ciphertext")}` }),
  ];
  for (const answer of await Promise.all(refused)) expect(answer.status).toBeGreaterThanOrEqual(400);
  await using socket = new WsClient(url, { token: canaries.plant("token") });
  expect(await socket.closed).toBe(4401);
}
