import { randomBytes } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { startTestServer } from "../test-server.ts";
import { download, newMessage, uploaded } from "./attachments.ts";
import { newPair } from "./people.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());
const { url } = server;

const [ada, bob] = await newPair(url);
const bytes = randomBytes(600_000);
const id = await newMessage(url, ada, bob);
const { id: attachment } = await uploaded(url, id, { token: ada.token, body: bytes });
const get = (headers: Record<string, string>, method = "GET") =>
  download(url, attachment, { token: bob.token, headers, method });

test.each([
  ["bytes=0-9", 0, 9],
  ["bytes=262140-262150", 262_140, 262_150],
  ["bytes=599990-", 599_990, 599_999],
  ["bytes=-5", 599_995, 599_999],
  ["bytes=-700000", 0, 599_999],
  ["bytes=1000-9999999", 1000, 599_999],
])("%s", async (range, start, end) => {
  const response = await get({ range });
  expect(response.status).toBe(206);
  expect(response.headers.get("content-range")).toBe(`bytes ${start}-${end}/600000`);
  expect(response.headers.get("content-length")).toBe(String(end - start + 1));
  expect(Buffer.from(await response.arrayBuffer()).equals(bytes.subarray(start, end + 1))).toBe(true);
});

test.each(["bytes=600000-", "bytes=-0", "bytes=700000-700001"])("%s cannot be satisfied", async (range) => {
  const response = await get({ range });
  expect(response.headers.get("content-range")).toBe("bytes */600000");
  expect({ status: response.status, ...((await response.json()) as object) }).toMatchObject({
    status: 416,
    detail: "Range Not Satisfiable",
  });
});

test.each(["bytes=0-1,5-6", "bytes=9-2", "items=0-1", "bytes"])("%s gives the whole", async (range) => {
  const response = await get({ range });
  expect(response.status).toBe(200);
  expect(await response.arrayBuffer()).toHaveProperty("byteLength", 600_000);
});

test("HEAD tells of the bytes without them", async () => {
  const response = await get({}, "HEAD");
  expect(response.status).toBe(200);
  expect(response.headers.get("content-length")).toBe("600000");
  expect(response.headers.get("accept-ranges")).toBe("bytes");
  expect(await response.text()).toBe("");
});

test("conditions: known bytes are not sent again, and a part only of the same bytes", async () => {
  const etag = (await get({}, "HEAD")).headers.get("etag") ?? "";
  expect(etag).toMatch(/^"[\w-]+"$/);
  expect((await get({ "if-none-match": `"x", ${etag}` })).status).toBe(304);
  expect((await get({ "if-none-match": '"x"' })).status).toBe(200);
  expect((await get({ range: "bytes=0-1", "if-range": etag })).status).toBe(206);
  expect((await get({ range: "bytes=0-1", "if-range": '"x"' })).status).toBe(200);
});

test("a client that goes away in the middle disturbs nobody", async () => {
  for (let i = 0; i < 5; i++) {
    const cut = new AbortController();
    const path = `${url}/messages/attachments/blob/${String(attachment)}`;
    const response = await fetch(path, {
      headers: { authorization: `Bearer ${bob.token}` },
      signal: cut.signal,
    });
    await response.body?.getReader().read();
    cut.abort();
  }
  expect((await get({ range: "bytes=0-1" })).status).toBe(206);
});
