import { createTRPCClient, httpLink } from "@trpc/client";
import type { ContractRouter } from "@sotto/schema";
import { expect, test } from "vitest";
import { act, historyOf, newGroup, newMembers, sendToGroup, type Member } from "../groups.ts";
import { rest, type Json } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";

test("who leaves keeps what was there, and who joins sees nothing from before, whichever way they look", async () => {
  await using server = await startTestServer();
  const { url } = server;
  const [owner, leaver, removed, joiner] = (await newMembers(url, 4)) as [Member, Member, Member, Member];
  const group = await newGroup(url, owner, [leaver, removed]);
  const early = await sendToGroup(url, owner, group, "early");
  await act(url, owner, `POST /messages/${early}/reactions`, { emoji: "1" });
  await act(url, leaver, `POST /groups/${group}/leave`);
  await act(url, owner, `DELETE /groups/${group}/members/${removed.id}`);

  const unseen = await sendToGroup(url, owner, group, "unseen");
  await act(url, owner, `POST /messages/${early}/reactions`, { emoji: "2" });
  await act(url, owner, `PATCH /groups/${group}`, { name: "Renamed" });
  await act(url, owner, `POST /groups/${group}/members`, { member_user_ids: [joiner.id] });
  const late = await sendToGroup(url, owner, group, "late");
  await act(url, owner, `POST /messages/${late}/reactions`, { emoji: "3" });

  for (const former of [leaver, removed]) {
    expect(await seen(url, former, group)).toEqual({
      history: ["early"],
      search: ["early"],
      export: ["early"],
      inbox: ["early"],
      resumed: ["early"],
    });
    expect(await emojiOn(url, former, early), "what was put on it later").toEqual(["1"]);
    for (const id of [unseen, late]) expect(await statusesOn(url, former, id)).toEqual(new Set([404]));
    expect((await act(url, former, "GET /groups")) as unknown).toEqual([]);
  }

  expect(await seen(url, joiner, group)).toEqual({
    history: ["late"],
    search: ["late"],
    export: ["late"],
    inbox: ["late"],
    resumed: ["late"],
  });
  for (const id of [early, unseen]) expect(await statusesOn(url, joiner, id)).toEqual(new Set([404]));
  expect(await emojiOn(url, joiner, late)).toEqual(["3"]);
});

test("who comes back sees both of their times, and not what was between", async () => {
  await using server = await startTestServer();
  const { url } = server;
  const [owner, other] = (await newMembers(url, 2)) as [Member, Member];
  const group = await newGroup(url, owner, [other]);
  await sendToGroup(url, owner, group, "first");
  await act(url, other, `POST /groups/${group}/leave`);
  const between = await sendToGroup(url, owner, group, "between");
  await act(url, owner, `POST /groups/${group}/members`, { member_user_ids: [other.id] });
  await sendToGroup(url, owner, group, "again");
  expect(await seen(url, other, group)).toEqual({
    history: ["first", "again"],
    search: ["first", "again"],
    export: ["first", "again"],
    inbox: ["first", "again"],
    resumed: ["first", "again"],
  });
  expect(await statusesOn(url, other, between)).toEqual(new Set([404]));
});

const texts = ({ messages }: Json): unknown[] => (messages as Json[]).map(({ ciphertext }) => ciphertext);

/** The ciphertexts that a member finds, by each way of looking. */
async function seen(url: string, reader: Member, group: string): Promise<Record<string, unknown[]>> {
  const get = async (route: string): Promise<unknown[]> => texts(await act(url, reader, route));
  return {
    history: await historyOf(url, reader, group),
    search: await get(`GET /messages/search?conversation_id=${group}`),
    export: await get(`POST /messages/export?conversation_id=${group}`),
    inbox: await get("GET /messages/inbox"),
    resumed: await resumed(url, reader, group),
  };
}

/** What a device is sent that resumes from the start; `sync.fill` gives the same. */
async function resumed(url: string, reader: Member, group: string): Promise<unknown[]> {
  await using socket = await WsClient.connect(url, { token: reader.token, resume: true });
  await socket.next("caught_up");
  const sent = socket.ofType("message").map(({ message }) => (message as Json)["ciphertext"]);
  const headers = { authorization: `Bearer ${reader.token}` };
  const client = createTRPCClient<ContractRouter>({ links: [httpLink({ url: `${url}/trpc`, headers })] });
  const { entries } = await client.sync.fill.query({ log: group, fromSeq: 1, toSeq: 100 });
  const filled = entries.flatMap(({ event }) =>
    event.type === "message.created" ? [event.message.ciphertext] : [],
  );
  expect(filled).toEqual(sent);
  return sent;
}

/** What every route on a message answers. */
async function statusesOn(url: string, { token }: Member, id: string): Promise<Set<number>> {
  const routes = [
    `POST /messages/${id}/ack_delivered`,
    `POST /messages/${id}/ack_read`,
    `POST /messages/${id}/ack_delivered_device?device_id=phone`,
    `POST /messages/${id}/ack_read_device?device_id=phone`,
    `GET /messages/${id}/receipts`,
    `POST /messages/${id}/reactions`,
    `GET /messages/${id}/reactions`,
    `DELETE /messages/${id}/reactions?emoji=1`,
    `GET /messages/${id}/attachments`,
    `POST /messages/${id}/attachments`,
    `DELETE /messages/${id}`,
  ];
  const body = { emoji: "1", ciphertext_b64: "YQ==" };
  const answers = await Promise.all(
    routes.map((route) => rest(url, route, { token, ...(route.startsWith("POST") ? { body } : {}) })),
  );
  return new Set(answers.map(({ status }) => status));
}

async function emojiOn(url: string, reader: Member, id: string): Promise<unknown[]> {
  const { reactions } = await act(url, reader, `GET /messages/${id}/reactions`);
  return (reactions as Json[]).map(({ emoji }) => emoji);
}
