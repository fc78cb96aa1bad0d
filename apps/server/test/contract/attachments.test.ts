import { randomBytes } from "node:crypto";
import { afterAll, describe, expect, test } from "vitest";
import { act, newGroup, newMembers, sendToGroup } from "../groups.ts";
import { startTestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";
import { attachmentsOf, download, newMessage, upload, uploaded } from "./attachments.ts";
import { unknownId } from "./contract-routes.ts";
import { fieldList, outcome, placesOf, rest } from "./described-rest.ts";
import { newPair, newPerson } from "./people.ts";
import { aTime, aUuidV7 } from "./shapes.ts";

const server = await startTestServer();
const other = await startTestServer({ database: server.database });
afterAll(async () => {
  await other[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});
const { url } = server;

const [ada, bob] = await newPair(url);
const eve = await newPerson(url);
const noMessage = { status: 404, detail: "Message not found" };
const noAttachment = { status: 404, detail: "Attachment not found" };

const add = (messageId: string, by: { token: string }, body: object, headers = {}) =>
  rest(url, `POST /messages/${messageId}/attachments`, { token: by.token, body, headers });
const encode = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const outcomeOf = async (response: Response): Promise<unknown> => ({
  status: response.status,
  detail: ((await response.json()) as { detail: unknown }).detail,
});

const sum = (rows: { size_bytes: number }[]): number => rows.reduce((all, row) => all + row.size_bytes, 0);

async function* twoAndAHalfMib(): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < 40; i++) yield Buffer.alloc(65_536);
}

async function countBlobs(): Promise<{ blobs: number; used: number }> {
  const rows = await server.app.db.selectFrom("blobs").select("size_bytes").execute();
  const usage = await server.app.db.selectFrom("blob_usage").select("size_bytes").execute();
  expect(sum(usage)).toBe(sum(rows));
  return { blobs: rows.length, used: sum(usage) };
}

describe("as base64", () => {
  test("an attachment is added, listed, told and downloaded", async () => {
    const [fay, gus] = await newPair(url);
    const id = await newMessage(url, fay, gus);
    await using socket = await WsClient.connect(url, { token: gus.token });
    const bytes = randomBytes(1000);
    const input = { content_type: "image/png", filename: "a.png", ciphertext_b64: encode(bytes) };
    const { status, body } = await add(id, fay, input);
    expect(status).toBe(200);
    expect(body).toEqual({
      id: aUuidV7,
      message_id: id,
      content_type: "image/png",
      filename: "a.png",
      size_bytes: 1000,
      ciphertext_b64: encode(bytes),
      created_at: aTime,
      download_url: null,
    });
    for (const { token } of [fay, gus]) expect(await attachmentsOf(url, id, token)).toEqual([body]);
    expect(await socket.next("attachment")).toMatchObject({
      message_id: id,
      attachment_id: body["id"],
      seq: 2,
    });
    const response = await download(url, body["id"], gus);
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
  });

  test("all but the bytes may be left out; base64url is read too", async () => {
    const id = await newMessage(url, ada, bob);
    for (const given of ["-_-_", "+/+/"]) {
      const { body } = await add(id, ada, { ciphertext_b64: given, filename: null });
      expect(body).toMatchObject({
        content_type: null,
        filename: null,
        size_bytes: 3,
        ciphertext_b64: "+/+/",
      });
    }
  });

  test.each(["A", "AA", "A===", "AA==AA==", "A A=", "+-AA", "AAé="])("%j is no base64", async (text) => {
    const id = await newMessage(url, ada, bob);
    expect(placesOf(await add(id, ada, { ciphertext_b64: text }))).toEqual(["body.ciphertext_b64"]);
  });

  test.each([
    { ciphertext_b64: "" },
    { ciphertext_b64: 5 },
    {},
    { ciphertext_b64: "AAAA", content_type: "no type" },
    { ciphertext_b64: "AAAA", content_type: "text/plain\r\nX: y" },
    { ciphertext_b64: "AAAA", filename: "x".repeat(256) },
    { ciphertext_b64: "AAAA", filename: "\0" },
  ])("%j is malformed", async (body) => {
    const id = await newMessage(url, ada, bob);
    expect((await add(id, ada, body)).status).toBe(422);
    expect(await attachmentsOf(url, id, ada.token)).toEqual([]);
  });

  test("1 MiB is taken, one byte more is not", async () => {
    const id = await newMessage(url, ada, bob);
    const { body } = await add(id, ada, { ciphertext_b64: encode(Buffer.alloc(1_048_576)) });
    expect(body["size_bytes"]).toBe(1_048_576);
    for (const bytes of [1_048_577, 1_048_578, 2_000_000]) {
      const refused = await add(id, ada, { ciphertext_b64: encode(Buffer.alloc(bytes)) });
      expect(outcome(refused)).toEqual({ status: 413, detail: "Payload too large" });
    }
  });

  test("one message has at most 32, and 8 MiB of them as base64", async () => {
    const id = await newMessage(url, ada, bob);
    const answers = await Promise.all(
      Array.from({ length: 34 }, (_, i) =>
        rest(i % 2 ? url : other.url, `POST /messages/${id}/attachments`, {
          token: ada.token,
          body: { ciphertext_b64: "AAAA" },
        }),
      ),
    );
    const refused = answers.filter(({ status }) => status !== 200);
    expect(refused.map(outcome)).toEqual([0, 1].map(() => ({ status: 409, detail: "Too many attachments" })));
    expect(await attachmentsOf(url, id, bob.token)).toHaveLength(32);

    const large = await newMessage(url, ada, bob);
    const mib = encode(Buffer.alloc(1_048_576));
    for (let i = 0; i < 8; i++) expect((await add(large, ada, { ciphertext_b64: mib })).status).toBe(200);
    expect((await add(large, ada, { ciphertext_b64: "AAAA" })).status).toBe(413);
    expect((await upload(url, large, ada)).status).toBe(200);
  });
});

describe("as raw bytes", () => {
  test("an attachment is uploaded, listed, told and downloaded", async () => {
    const id = await newMessage(url, ada, bob);
    await using socket = await WsClient.connect(url, { token: bob.token });
    const bytes = randomBytes(700_000);
    const headers = { "x-content-type": "video/mp4", "x-filename": "UTF-8''gr%C3%BC%C3%9Fe.mp4" };
    const answer = await uploaded(url, id, { token: ada.token, body: bytes, headers });
    expect(answer).toEqual({
      id: aUuidV7,
      download_url: `/messages/attachments/blob/${String(answer["id"])}`,
    });
    const listed = {
      id: answer["id"],
      message_id: id,
      content_type: "video/mp4",
      filename: "grüße.mp4",
      size_bytes: 700_000,
      ciphertext_b64: "",
      created_at: aTime,
      download_url: answer["download_url"],
    };
    expect(await attachmentsOf(url, id, bob.token)).toEqual([listed]);
    expect(await socket.next("attachment")).toMatchObject({ message_id: id, attachment_id: answer["id"] });

    const response = await download(other.url, answer["id"], bob);
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "video/mp4",
      "content-length": "700000",
      "content-disposition": `attachment; filename="gr__e.mp4"; filename*=UTF-8''gr%C3%BC%C3%9Fe.mp4`,
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none'; sandbox",
      "accept-ranges": "bytes",
    });
  });

  test("without headers it has no type and no name; it may be empty", async () => {
    const id = await newMessage(url, ada, bob);
    const answer = await uploaded(url, id, { token: ada.token, body: "" });
    expect((await attachmentsOf(url, id, ada.token))[0]).toMatchObject({
      content_type: null,
      filename: null,
      size_bytes: 0,
    });
    const response = await download(url, answer["id"], bob);
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
    expect(response.headers.get("content-disposition")).toBe("attachment");
    expect(await response.text()).toBe("");
    expect((await download(url, answer["id"], { ...bob, headers: { range: "bytes=0-" } })).status).toBe(416);
  });

  test.each([
    { "x-content-type": "no type" },
    { "x-content-type": `a/${"b".repeat(255)}` },
    { "x-filename": "x".repeat(256) },
    { "x-filename": "UTF-8''%00" },
  ])("%j is malformed", async (headers) => {
    const id = await newMessage(url, ada, bob);
    const response = await upload(url, id, { token: ada.token, headers });
    expect(response.status).toBe(422);
    const { detail } = (await response.json()) as { detail: { loc: string[] }[] };
    expect(detail.map(({ loc }) => loc)).toEqual([["header", Object.keys(headers)[0]]]);
  });

  test.each([
    'a"; x="',
    "UTF-8''a%0D%0ASet-Cookie%3A%20x%3D1",
    "UTF-8''..%2F..%2Fetc%2Fpasswd",
    "UTF-8''%E2%80%AEgpj.exe",
  ])("the name %j cannot break out of its header", async (filename) => {
    const id = await newMessage(url, ada, bob);
    const headers = { "x-filename": filename, "x-content-type": "text/html" };
    const answer = await uploaded(url, id, { token: ada.token, headers });
    const response = await download(url, answer["id"], bob);
    expect(response.status).toBe(200);
    expect(response.headers.get("set-cookie")).toBeNull();
    expect(response.headers.get("content-disposition")).toMatch(
      /^attachment; filename="[^"/\\]*"(; filename\*=UTF-8''[^/"\s]*)?$/,
    );
  });

  test("too large is refused, announced or not, and leaves nothing", async () => {
    await using small = await startTestServer({
      database: server.database,
      env: { MAX_BLOB_BYTES: "1000000" },
    });
    const id = await newMessage(url, ada, bob);
    const before = await countBlobs();
    for (const raw of [{ body: Buffer.alloc(1_000_001) }, { body: twoAndAHalfMib() }]) {
      const response = await upload(small.url, id, { token: ada.token, ...raw });
      expect(await outcomeOf(response)).toEqual({ status: 413, detail: "Payload too large" });
    }
    expect((await upload(small.url, id, { token: ada.token, body: Buffer.alloc(1_000_000) })).status).toBe(
      200,
    );
    expect(await attachmentsOf(url, id, ada.token)).toHaveLength(1);
    expect((await countBlobs()).blobs).toBe(before.blobs + 1);
  });

  test("more than a user may keep is refused", async () => {
    await using small = await startTestServer({
      database: server.database,
      env: { MAX_USER_BLOB_BYTES: "100000" },
    });
    const [fay, gus] = await newPair(url);
    const id = await newMessage(url, fay, gus);
    const body = Buffer.alloc(60_000);
    const answers = await Promise.all([1, 2, 3].map(() => upload(small.url, id, { token: fay.token, body })));
    expect(answers.map(({ status }) => String(status)).toSorted()).toEqual(["200", "413", "413"]);
    const refused = await upload(small.url, id, { token: fay.token, body });
    expect(await outcomeOf(refused)).toEqual({ status: 413, detail: "Storage quota exceeded" });
  });

  test("an upload that is cut off leaves nothing", async () => {
    const id = await newMessage(url, ada, bob);
    const before = await countBlobs();
    const cut = new AbortController();
    const written = Promise.withResolvers<void>();
    const body = async function* (): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 20; i++) yield Buffer.alloc(65_536);
      written.resolve();
      await new Promise(() => {});
    };
    const sending = upload(url, id, { token: ada.token, body: body(), signal: cut.signal });
    await written.promise;
    await expect.poll(async () => (await countBlobs()).blobs).toBe(before.blobs + 1);
    cut.abort();
    await expect(sending).rejects.toThrow();
    await expect.poll(countBlobs).toEqual(before);
    expect(await attachmentsOf(url, id, ada.token)).toEqual([]);
  });
});

describe("who may", () => {
  test("strangers, and nobody else, find nothing", async () => {
    const id = await newMessage(url, ada, bob);
    const { id: attachment } = await uploaded(url, id, ada);
    const before = await countBlobs();
    for (const messageId of [id, unknownId]) {
      expect(outcome(await add(messageId, eve, { ciphertext_b64: "AAAA" }))).toEqual(noMessage);
      expect(await outcomeOf(await upload(url, messageId, eve))).toEqual(noMessage);
      const list = await rest(url, `GET /messages/${messageId}/attachments`, { token: eve.token });
      expect(outcome(list)).toEqual(noMessage);
    }
    for (const each of [attachment, unknownId]) {
      expect(await outcomeOf(await download(url, each, eve))).toEqual(noAttachment);
    }
    expect((await download(url, attachment, { token: "" })).status).toBe(401);
    expect((await upload(url, id, { token: "" })).status).toBe(401);
    expect(await countBlobs()).toEqual(before);
  });

  test("the reader of a message may not attach", async () => {
    const id = await newMessage(url, ada, bob);
    const refused = { status: 403, detail: "Only the sender" };
    expect(outcome(await add(id, bob, { ciphertext_b64: "AAAA" }))).toEqual(refused);
    expect(await outcomeOf(await upload(url, id, bob))).toEqual(refused);
  });

  test("a block either way refuses it, and leaves what is there", async () => {
    const [fay, gus] = await newPair(url);
    const id = await newMessage(url, fay, gus);
    const { id: attachment } = await uploaded(url, id, fay);
    await rest(url, `POST /blocks?blocked_user_id=${fay.id}`, { token: gus.token });
    const blocked = { status: 403, detail: "You are blocked" };
    expect(outcome(await add(id, fay, { ciphertext_b64: "AAAA" }))).toEqual(blocked);
    expect(await outcomeOf(await upload(url, id, fay))).toEqual(blocked);
    for (const reader of [fay, gus]) expect((await download(url, attachment, reader)).status).toBe(200);
  });

  test("a former member keeps what came before, and sees and adds nothing after", async () => {
    const [owner, member, joiner] = await newMembers(url, 3);
    if (!owner || !member || !joiner) throw new Error("no members");
    const group = await newGroup(url, owner, [member]);
    const mine = await sendToGroup(url, member, group, "a");
    const theirs = await sendToGroup(url, owner, group, "b");
    const { id: early } = await uploaded(url, theirs, owner);
    await act(url, owner, `DELETE /groups/${group}/members/${member.id}`);
    await act(url, owner, `POST /groups/${group}/members`, { member_user_ids: [joiner.id] });
    const { id: late } = await uploaded(url, theirs, owner);

    expect((await attachmentsOf(url, theirs, member.token)).map(({ id }) => id)).toEqual([early]);
    expect((await download(url, early, member)).status).toBe(200);
    expect(await outcomeOf(await download(url, late, member))).toEqual(noAttachment);
    expect(outcome(await add(mine, member, { ciphertext_b64: "AAAA" }))).toEqual(noMessage);
    expect(await outcomeOf(await upload(url, mine, member))).toEqual(noMessage);
    // The one who came later does not see the message.
    for (const each of [early, late]) expect((await download(url, each, joiner)).status).toBe(404);
    expect((await attachmentsOf(url, theirs, owner.token)).map(({ id }) => id)).toEqual([early, late]);
  });

  test("nothing is attached in an archived group", async () => {
    const [owner] = await newMembers(url, 1);
    if (!owner) throw new Error("no member");
    const group = await newGroup(url, owner);
    const id = await sendToGroup(url, owner, group, "a");
    await act(url, owner, `POST /groups/${group}/archive`);
    expect(await outcomeOf(await upload(url, id, owner))).toEqual({ status: 409, detail: "Group archived" });
  });
});

test("search finds messages by whether something is attached", async () => {
  const [fay, gus] = await newPair(url);
  const [plain, attached] = [await newMessage(url, fay, gus), await newMessage(url, fay, gus)];
  await uploaded(url, attached, fay);
  const log = (await rest(url, "GET /messages/conversations", gus)).body["conversations"] as { id: string }[];
  const search = async (query: string): Promise<unknown[]> => {
    const route = `GET /messages/search?conversation_id=${log[0]?.id ?? ""}&${query}`;
    return fieldList(await rest(url, route, { token: gus.token }), "messages").map(({ id }) => id);
  };
  expect(await search("has_attachments=true")).toEqual([attached]);
  expect(await search("has_attachments=false")).toEqual([plain]);
  expect(await search("")).toEqual([plain, attached]);
});

describe("Idempotency-Key", () => {
  const reused = { status: 409, detail: "Idempotency-Key was used for another request" };
  const headers = { "idempotency-key": "k" };

  test("of JSON gives the first answer again", async () => {
    const [fay, gus] = await newPair(url);
    const id = await newMessage(url, fay, gus);
    const first = await add(id, fay, { ciphertext_b64: "AAAA" }, headers);
    expect(first.status).toBe(200);
    expect((await add(id, fay, { ciphertext_b64: "AAAA" }, headers)).body).toEqual(first.body);
    expect(outcome(await add(id, fay, { ciphertext_b64: "BBBB" }, headers))).toEqual(reused);
    expect(await attachmentsOf(url, id, gus.token)).toEqual([first.body]);
  });

  test("of an upload covers its bytes and headers, on two servers at once, and drops the second blob", async () => {
    const [fay, gus] = await newPair(url);
    const id = await newMessage(url, fay, gus);
    const before = await countBlobs();
    const body = randomBytes(500_000);
    const answers = await Promise.all(
      [url, other.url, url, other.url].map((each) => uploaded(each, id, { token: fay.token, body, headers })),
    );
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(await uploaded(url, id, { token: fay.token, body, headers })).toEqual(answers[0]);
    for (const changed of [{ body: randomBytes(500_000) }, { headers: { ...headers, "x-filename": "b" } }]) {
      const response = await upload(url, id, { token: fay.token, body, headers, ...changed });
      expect(await outcomeOf(response)).toEqual(reused);
    }
    expect(await attachmentsOf(url, id, gus.token)).toHaveLength(1);
    expect(await countBlobs()).toEqual({ blobs: before.blobs + 1, used: before.used + 500_000 });
  });
});
