import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, describe, expect, test } from "vitest";
import { act, newCast, newGroupOf } from "../groups.ts";
import type { Json, Person } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { outcome, placesOf, rest } from "./described-rest.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());
const { url } = server;
const cast = await newCast(url);
const { owner, member, former } = cast;

const png = Buffer.from("\x89PNG\r\n\x1a\nnot much of an image", "latin1");
const gif = Buffer.from("GIF89a, and no more", "latin1");
const maxBytes = 2_097_152;

/** An image of so many bytes. */
const imageOf = (bytes: number): Buffer => Buffer.concat([gif, Buffer.alloc(bytes - gif.length)]);

async function upload(actor: Person, id: string, body: Buffer, type = "image/png") {
  const response = await fetch(`${url}/groups/${id}/avatar/upload`, {
    method: "POST",
    headers: { authorization: `Bearer ${actor.token}`, "content-type": type },
    body,
  });
  return { status: response.status, body: (await response.json()) as Json };
}

async function download(reader: Person, id: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}/groups/${id}/avatar`, {
    headers: { authorization: `Bearer ${reader.token}`, ...headers },
  });
  return { response, bytes: Buffer.from(await response.arrayBuffer()) };
}

const ok = { status: 200, body: { detail: "ok" } };
const noAvatar = { status: 404, detail: "No avatar" };

const countBlobs = async (): Promise<number> => {
  const rows = await server.app.db.selectFrom("blobs").select("id").where("collect_at", "is", null).execute();
  return rows.length;
};

/** With those that nothing refers to. */
const countRows = async (): Promise<number> =>
  (await server.app.db.selectFrom("blobs").select("id").execute()).length;

describe("an uploaded avatar", () => {
  test("comes back to members as it was, with the type that it is", async () => {
    const id = await newGroupOf(url, cast);
    expect(await upload(owner, id, png, "text/html")).toEqual(ok);
    const { response, bytes } = await download(member, id);
    expect(response.status).toBe(200);
    expect(bytes.equals(png)).toBe(true);
    expect(response.headers.get("content-type")).toBe("image/png");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    const etag = response.headers.get("etag") ?? "";
    expect((await download(member, id, { "if-none-match": etag })).response.status).toBe(304);
    const part = await download(member, id, { range: "bytes=1-3" });
    expect([part.response.status, part.bytes.toString()]).toEqual([206, "PNG"]);
    expect((await download(former, id)).response.status).toBe(404);
  });

  test("takes the place of the one before, whose bytes are given up", async () => {
    const id = await newGroupOf(url, cast);
    const before = await countBlobs();
    await upload(owner, id, png);
    const first = await download(owner, id);
    await upload(owner, id, gif);
    const second = await download(owner, id);
    expect(second.response.headers.get("content-type")).toBe("image/gif");
    expect(second.bytes.equals(gif)).toBe(true);
    expect(second.response.headers.get("etag")).not.toBe(first.response.headers.get("etag"));
    expect(await countBlobs()).toBe(before + 1);
    await act(url, owner, `POST /groups/${id}/avatar/url`, { url: "https://example.org/a.png" });
    expect(await countBlobs()).toBe(before);
  });

  test("has at most 2 MiB", async () => {
    const id = await newGroupOf(url, cast);
    expect(await upload(owner, id, imageOf(maxBytes))).toEqual(ok);
    expect((await download(owner, id)).bytes).toHaveLength(maxBytes);
    const refused = { status: 413, body: { detail: "Payload too large" } };
    expect(await upload(owner, id, imageOf(maxBytes + 1))).toEqual(refused);
    expect(await streamed(id, imageOf(maxBytes + 65_536))).toMatch(/^HTTP\/1\.1 413 /);
    expect((await download(owner, id)).bytes).toHaveLength(maxBytes);
  });

  test("is an image, and not empty", async () => {
    const id = await newGroupOf(url, cast);
    expect(await upload(owner, id, Buffer.alloc(0))).toEqual({ status: 400, body: { detail: "Empty body" } });
    const refused = { status: 415, body: { detail: "Unsupported Media Type" } };
    for (const body of ["<svg/>", "<html></html>", "GIF", "{}"]) {
      expect(await upload(owner, id, Buffer.from(body), "image/png")).toEqual(refused);
    }
    expect(outcome(await rest(url, `GET /groups/${id}/avatar`, { token: owner.token }))).toEqual(noAvatar);
  });

  test("members who may not upload store nothing", async () => {
    const id = await newGroupOf(url, cast);
    const before = await countRows();
    for (const actor of [member, former, cast.admin, cast.stranger]) {
      expect((await upload(actor, id, png)).status).toBeGreaterThanOrEqual(403);
    }
    expect(await countRows()).toBe(before);
  });
});

/** Sends a body whose length is not announced; gives the answer. */
async function streamed(id: string, body: Buffer): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let answer = "";
  socket.on("data", (chunk: Buffer) => (answer += chunk.toString("latin1")));
  socket.on("error", () => {});
  const head = [
    `POST /groups/${id}/avatar/upload HTTP/1.1`,
    `Host: ${hostname}`,
    `Authorization: Bearer ${owner.token}`,
    "Transfer-Encoding: chunked",
    "Connection: close",
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n${body.length.toString(16)}\r\n`);
  socket.write(body);
  socket.write("\r\n0\r\n\r\n");
  await once(socket, "close");
  return answer;
}

describe("POST /groups/{id}/avatar/url", () => {
  test("is what members are given, and takes the place of an upload", async () => {
    const id = await newGroupOf(url, cast);
    const address = "https://example.org/a.png?size=64#x";
    const read = () => rest(url, `GET /groups/${id}/avatar`, { token: member.token });
    await upload(owner, id, png);
    for (let i = 0; i < 2; i++) await act(url, owner, `POST /groups/${id}/avatar/url`, { url: address });
    expect((await read()).body).toEqual({ url: address });
    const { entries } = await act(url, owner, `GET /admin/audit?conversation_id=${id}`);
    expect((entries as Json[]).filter(({ action }) => action === "avatar_changed")).toHaveLength(2);
    await upload(owner, id, gif);
    expect((await download(member, id)).bytes.equals(gif)).toBe(true);
  });

  test.each([
    [{}],
    [{ url: "" }],
    [{ url: "http://example.org/a.png" }],
    [{ url: "javascript:alert(1)" }],
    [{ url: "data:image/png;base64,AAAA" }],
    [{ url: "//example.org/a.png" }],
    [{ url: "https://" }],
    [{ url: "https://exa mple.org" }],
    [{ url: " https://example.org" }],
    [{ url: "https://example.org/\n" }],
    [{ url: `https://example.org/${"x".repeat(2048)}` }],
    [{ url: 5 }],
    [{ url: null }],
  ])("calls %j malformed", async (body) => {
    const id = await newGroupOf(url, cast);
    expect(
      placesOf(await rest(url, `POST /groups/${id}/avatar/url`, { token: owner.token, body })),
    ).toContain("body.url");
  });
});
