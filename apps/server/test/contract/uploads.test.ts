import { createHash, randomBytes, randomUUID } from "node:crypto";
import { afterAll, describe, expect, test } from "vitest";
import { runMaintenance } from "../../src/maintenance.ts";
import { startS3Server } from "../s3-server.ts";
import { startTestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";
import { attachmentsOf, download, newMessage } from "./attachments.ts";
import { outcome, placesOf, rest } from "./described-rest.ts";
import { newPair, newPerson } from "./people.ts";
import { aTime } from "./shapes.ts";
import { begun, offsetOf, put } from "./uploads.ts";

const mib = 1_048_576;
const s3 = await startS3Server();
let now = Date.now();
const env = { MAX_BLOB_BYTES: String(20 * mib), MAX_USER_BLOB_BYTES: String(30 * mib) };
const clock = () => new Date(now);
const servers = {
  postgres: await startTestServer({ env, now: clock }),
  s3: await startTestServer({ env: { ...env, ...s3.env }, now: clock }),
};
const second = await startTestServer({ env, now: clock, database: servers.postgres.database });
afterAll(async () => {
  await second[Symbol.asyncDispose]();
  await servers.postgres[Symbol.asyncDispose]();
  await servers.s3[Symbol.asyncDispose]();
  await s3[Symbol.asyncDispose]();
});
const noUpload = { status: 404, detail: "Upload not found" };
const inUse = { status: 409, detail: "Upload in use" };
const atOffset = (code: string, offset: number) => ({ status: 409, detail: { code, offset } });
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Breaks off after these bytes, once the server has got them. */
async function* cutAfter(bytes: Uint8Array, isStored: () => Promise<boolean>): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
  while (!(await isStored()));
  throw new Error("cut off");
}

describe.each(["postgres", "s3"] as const)("on %s", (name) => {
  const { url, app } = servers[name];
  const pieceBytes = name === "postgres" ? 262_144 : 5 * mib;
  const attach = (message: string, by: { token: string }, body: object) =>
    rest(url, `POST /messages/${message}/attachments/uploaded`, { token: by.token, body });
  const get = (by: { token: string }, id: unknown) =>
    rest(url, `GET /uploads/${String(id)}`, { token: by.token });
  /** Every row of theirs, and the rows that are nobody's. */
  const listLeft = async (...people: { id: string }[]): Promise<string[]> => {
    const blobs = await app.db.selectFrom("blobs").select(["id", "user_id"]).execute();
    const known = new Set<string>(blobs.map(({ id }) => id));
    const uploads = await app.db.selectFrom("blob_uploads").select("blob_id").execute();
    const chunks = await app.db.selectFrom("blob_chunks").select("blob_id").distinct().execute();
    return [
      ...blobs.filter(({ user_id }) => people.some(({ id }) => id === user_id)).map(({ id }) => id),
      ...[...uploads, ...chunks].map(({ blob_id }) => blob_id).filter((id) => !known.has(id)),
    ];
  };

  test("bytes come in parts, belong to a message by the id that was chosen before, and are read", async () => {
    const [ada, bob] = await newPair(url);
    const bytes = randomBytes(2 * pieceBytes + 12_345);
    const id = randomUUID();
    const state = await begun(url, ada, { upload_id: id, size_bytes: bytes.length, sha256: sha256(bytes) });
    const expected = { upload_id: id, size_bytes: bytes.length, piece_bytes: pieceBytes };
    expect(state).toEqual({ ...expected, offset: 0, is_complete: false, expires_at: aTime });

    const message = await newMessage(url, ada, bob);
    const incomplete = await attach(message, ada, { upload_id: id });
    expect(outcome(incomplete)).toEqual(atOffset("upload_incomplete", 0));
    const first = await put(url, { id, offset: 0, by: ada }, bytes.subarray(0, pieceBytes + 1000));
    expect(first).toMatchObject({ status: 200, body: { offset: pieceBytes, is_complete: false } });
    const rest_ = await put(url, { id, offset: pieceBytes, by: ada }, bytes.subarray(pieceBytes));
    const whole = { ...expected, offset: bytes.length, is_complete: true, expires_at: aTime };
    expect(rest_).toEqual({ status: 200, body: whole });
    expect((await get(ada, id)).body).toEqual(whole);

    await using socket = await WsClient.connect(url, { token: bob.token });
    const attached = await attach(message, ada, { upload_id: id });
    expect(attached.status, JSON.stringify(attached.body)).toBe(200);
    expect(attached.body).toEqual({
      id,
      message_id: message,
      content_type: null,
      filename: null,
      size_bytes: bytes.length,
      ciphertext_b64: "",
      created_at: aTime,
      download_url: `/messages/attachments/blob/${id}`,
    });
    expect(await socket.next("attachment")).toMatchObject({ message_id: message, attachment_id: id });
    expect((await attach(message, ada, { upload_id: id })).body).toEqual(attached.body);
    expect(await attachmentsOf(url, message, bob.token)).toEqual([attached.body]);
    const response = await download(url, id, bob);
    expect(sha256(new Uint8Array(await response.arrayBuffer()))).toBe(sha256(bytes));
    expect((await get(ada, id)).body).toEqual({ ...whole, expires_at: null });
    const another = await newMessage(url, ada, bob);
    expect(outcome(await attach(another, ada, { upload_id: id }))).toEqual(inUse);
  });

  test("a body that breaks off keeps its whole pieces, and the upload goes on from there", async () => {
    const ada = await newPerson(url);
    const bytes = randomBytes(3 * pieceBytes);
    const { upload_id: id } = await begun(url, ada, { size_bytes: bytes.length, sha256: sha256(bytes) });
    const isStored = async () => (await offsetOf(url, ada, id)) >= pieceBytes;
    const cut = put(
      url,
      { id, offset: 0, by: ada },
      cutAfter(bytes.subarray(0, pieceBytes + 200_000), isStored),
    );
    await expect(cut).rejects.toThrow();
    const offset = await offsetOf(url, ada, id);
    expect(offset % pieceBytes).toBe(0);
    expect(offset).toBeGreaterThan(0);
    const wrong = await put(url, { id, offset: 0, by: ada }, bytes.subarray(0, 10));
    expect({ status: wrong.status, detail: wrong.body["detail"] }).toEqual(
      atOffset("upload_offset_mismatch", offset),
    );
    const done = await put(url, { id, offset, by: ada }, bytes.subarray(offset));
    expect(done.body).toMatchObject({ is_complete: true });
    // The last answer may have been lost.
    expect((await put(url, { id, offset: bytes.length, by: ada }, new Uint8Array())).body).toEqual(done.body);
    expect((await put(url, { id, offset: 0, by: ada }, bytes)).status).toBe(409);
  });

  test("bytes without the announced digest are refused, and nothing is kept", async () => {
    const ada = await newPerson(url);
    const { upload_id: id } = await begun(url, ada, { size_bytes: 5, sha256: sha256(Buffer.from("other")) });
    const refused = await put(url, { id, offset: 0, by: ada }, Buffer.from("bytes"));
    expect(refused).toMatchObject({ status: 422, body: { detail: { code: "upload_digest_mismatch" } } });
    expect(outcome(await get(ada, id))).toEqual(noUpload);
    expect(await listLeft(ada)).toEqual([]);
  });

  test("more bytes than announced are refused, announced or not", async () => {
    const ada = await newPerson(url);
    const { upload_id: id } = await begun(url, ada, { size_bytes: 5 });
    expect((await put(url, { id, offset: 0, by: ada }, Buffer.from("bytes!"))).status).toBe(413);
    const body = (async function* () {
      yield Buffer.from("bytes!");
    })();
    expect((await put(url, { id, offset: 0, by: ada }, body)).status).toBe(413);
    expect(await offsetOf(url, ada, id)).toBe(0);
    expect((await put(url, { id, offset: 0, by: ada }, Buffer.from("bytes"))).status).toBe(200);
  });

  test("given up, or left alone for a day, nothing is left of it and the room is there again", async () => {
    const [ada, bob] = await newPair(url);
    const size_bytes = 18 * mib;
    const [given, left] = [await begun(url, ada, { size_bytes }), await begun(url, bob, { size_bytes })];
    for (const [state, by] of [
      [given, ada],
      [left, bob],
    ] as const) {
      const part = await put(url, { id: state["upload_id"], offset: 0, by }, new Uint8Array(6 * mib));
      expect(part.status).toBe(200);
    }
    const full = await rest(url, "POST /uploads", { token: ada.token, body: { size_bytes } });
    expect(outcome(full)).toEqual({ status: 413, detail: "Storage quota exceeded" });
    for (const _ of [1, 2]) {
      const route = `DELETE /uploads/${String(given["upload_id"])}`;
      expect((await rest(url, route, { token: ada.token })).status).toBe(200);
    }
    const again = await begun(url, ada, { size_bytes });
    await rest(url, `DELETE /uploads/${String(again["upload_id"])}`, { token: ada.token });
    now += 23 * 3_600_000;
    await runMaintenance(app);
    expect((await get(bob, left["upload_id"])).status).toBe(200);
    now += 2 * 3_600_000;
    await runMaintenance(app);
    expect(outcome(await get(bob, left["upload_id"]))).toEqual(noUpload);
    expect(await listLeft(ada, bob)).toEqual([]);
  });
});

describe("an upload", () => {
  const { url } = servers.postgres;

  test("begun again with its id is the same, also at the same time on two servers", async () => {
    const ada = await newPerson(url);
    const body = { upload_id: randomUUID(), size_bytes: 300_000 };
    const urls = [url, second.url, url, second.url];
    const states = await Promise.all(urls.map((each) => begun(each, ada, body)));
    for (const state of states) expect(state).toMatchObject({ upload_id: body.upload_id, offset: 0 });
    const bytes = randomBytes(300_000);
    await put(url, { id: body.upload_id, offset: 0, by: ada }, bytes.subarray(0, 262_144));
    expect(await begun(url, ada, body)).toMatchObject({ offset: 262_144 });
    const other = await rest(url, "POST /uploads", { token: ada.token, body: { ...body, size_bytes: 5 } });
    expect(outcome(other)).toEqual(inUse);
    const eve = await newPerson(url);
    expect(outcome(await rest(url, "POST /uploads", { token: eve.token, body }))).toEqual(inUse);
  });

  test("of parts sent at the same time on two servers one goes on, and the bytes are right", async () => {
    const [ada, bob] = await newPair(url);
    const bytes = randomBytes(4 * 262_144);
    const { upload_id: id } = await begun(url, ada, { size_bytes: bytes.length, sha256: sha256(bytes) });
    let offset = 0;
    while (offset < bytes.length) {
      const parts = [url, second.url, url].map((each) =>
        put(each, { id, offset, by: ada }, bytes.subarray(offset, offset + 2 * 262_144)),
      );
      const statuses = (await Promise.all(parts)).map(({ status }) => status);
      expect(statuses).toContain(200);
      for (const status of statuses) expect([200, 409]).toContain(status);
      offset = await offsetOf(url, ada, id);
    }
    const message = await newMessage(url, ada, bob);
    const body = { upload_id: id };
    const route = `POST /messages/${message}/attachments/uploaded`;
    const answers = await Promise.all(
      [url, second.url].map((each) => rest(each, route, { token: ada.token, body })),
    );
    expect(answers[0]?.body).toEqual(answers[1]?.body);
    const response = await download(url, id, bob);
    expect(sha256(new Uint8Array(await response.arrayBuffer()))).toBe(sha256(bytes));
  });

  test("under the id of another's attachment is never attached", async () => {
    const [ada, bob] = await newPair(url);
    const message = await newMessage(url, ada, bob);
    const made = await rest(url, `POST /messages/${message}/attachments`, {
      token: ada.token,
      body: { ciphertext_b64: "YWJj" },
    });
    const id = made.body["id"];
    await begun(url, bob, { upload_id: id, size_bytes: 5 });
    await put(url, { id, offset: 0, by: bob }, Buffer.from("false"));
    const mine = await newMessage(url, bob, ada);
    const route = `POST /messages/${mine}/attachments/uploaded`;
    expect(outcome(await rest(url, route, { token: bob.token, body: { upload_id: id } }))).toEqual(inUse);
    expect(await (await download(url, id, bob)).text()).toBe("abc");
  });

  test("is its owner's alone", async () => {
    const [ada, bob] = await newPair(url);
    const { upload_id: id } = await begun(url, ada, { size_bytes: 5 });
    const path = `/uploads/${String(id)}`;
    expect(outcome(await rest(url, `GET ${path}`, { token: bob.token }))).toEqual(noUpload);
    expect((await put(url, { id, offset: 0, by: bob }, Buffer.from("bytes"))).status).toBe(404);
    await rest(url, `DELETE ${path}`, { token: bob.token });
    await put(url, { id, offset: 0, by: ada }, Buffer.from("bytes"));
    const message = await newMessage(url, bob, ada);
    const route = `POST /messages/${message}/attachments/uploaded`;
    expect(outcome(await rest(url, route, { token: bob.token, body: { upload_id: id } }))).toEqual(noUpload);
  });

  test.each([
    [{}, "body.size_bytes"],
    [{ size_bytes: 0 }, "body.size_bytes"],
    [{ size_bytes: 1.5 }, "body.size_bytes"],
    [{ size_bytes: 5, upload_id: "x" }, "body.upload_id"],
    [{ size_bytes: 5, sha256: "AB" }, "body.sha256"],
  ])("%j is malformed", async (body, place) => {
    const { token } = await newPerson(url);
    expect(placesOf(await rest(url, "POST /uploads", { token, body }))).toEqual([place]);
  });

  test("above the limit is refused", async () => {
    const { token } = await newPerson(url);
    const refused = await rest(url, "POST /uploads", { token, body: { size_bytes: 20 * mib + 1 } });
    expect(outcome(refused)).toEqual({ status: 413, detail: "Payload too large" });
  });
});
