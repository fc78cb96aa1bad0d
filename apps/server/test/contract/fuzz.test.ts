import { randomInt } from "node:crypto";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { createLog } from "../../src/log.ts";
import { startTestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";
import { newCast, newScene } from "./access/scene.ts";
import { procedures } from "./access/doors.ts";
import { contractRoutes, type ContractRoute } from "./contract-routes.ts";
import { anyHeaders, createArbitraries, fillPath, toQuery } from "./fuzz/arbitraries.ts";
import { askHarmless } from "./fuzz/harmless.ts";
import { ask, lineOf, placeOf, withField } from "./page/ask.ts";
import type { Asked } from "./page/page.ts";
import { pageRoutes } from "./page/pages.ts";
import { newWorld } from "./page/world.ts";
import { newPerson } from "./people.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? randomInt(2 ** 31));
const runs = Number(process.env["FUZZ_RUNS"] ?? 600);

/** Failures of ours, which the log names and no answer does. */
const failures: string[] = [];
const server = await startTestServer({ log: createLog("error", { write: (line) => failures.push(line) }) });
afterAll(() => server[Symbol.asyncDispose]());
const { url } = server;

const scene = await newScene(await newCast(url));
const { owner, other } = scene.cast;
const { anyText, anyField, anyJson, anyBody } = createArbitraries([
  owner.id,
  other.id,
  scene.group,
  scene.before,
  scene.direct,
  scene.directMessage,
  scene.invite,
]);

/** Ends tokens: called by somebody who is not needed afterwards. */
const endsTokens = new Set(["POST /auth/logout", "DELETE /keys/devices/{device_id}"]);
let spare = await newPerson(url);

const anyRequest = fc.record({
  params: fc.array(anyText, { minLength: 2, maxLength: 2 }),
  isEscaped: fc.boolean(),
  query: fc.dictionary(anyField, anyText, { maxKeys: 4 }),
  rawQuery: fc.constantFrom("", "&%", "&a=%zz", "&=&&", "&limit[]=1", "&limit=1&limit=x"),
  body: anyBody,
  isSignedIn: fc.boolean(),
  headers: anyHeaders,
});
type AnyRequest = typeof anyRequest extends fc.Arbitrary<infer T> ? T : never;

/** Thrown first at every route, so that whatever the seed some requests get past the door. */
const plainRequest: AnyRequest = {
  params: [scene.direct, scene.directMessage],
  isEscaped: false,
  query: {},
  rawQuery: "",
  body: "",
  isSignedIn: true,
  headers: {},
};
const plainRequests: [AnyRequest][] = [[plainRequest], [{ ...plainRequest, isSignedIn: false }]];

async function throwAt({ method, template }: ContractRoute, request: AnyRequest): Promise<number> {
  const { params, isEscaped, query, rawQuery, body, isSignedIn, headers } = request;
  const endsToken = endsTokens.has(`${method} ${template}`);
  const { token } = endsToken ? spare : owner;
  const path = `${fillPath(template, params, isEscaped)}?${toQuery(query)}${rawQuery}`;
  const { status } = await askHarmless(url + path, {
    method,
    headers: { ...headers, ...(isSignedIn ? { authorization: `Bearer ${token}` } : {}) },
    body,
  });
  if (endsToken && status === 200) spare = await newPerson(url);
  return status;
}

test(
  `whatever is thrown at a route makes no 5xx, no hang, and tells nothing of the inside (FUZZ_SEED=${seed})`,
  { timeout: 300_000 },
  async () => {
    const seen = new Map<number, number>();
    for (const [index, route] of contractRoutes.entries()) {
      const property = fc.asyncProperty(anyRequest, async (request) => {
        const status = await throwAt(route, request);
        seen.set(status, (seen.get(status) ?? 0) + 1);
      });
      // A seed of its own for each route: one for all would throw the same few requests at every one.
      const numRuns = plainRequests.length + Math.ceil(runs / contractRoutes.length);
      await fc.assert(property, { seed: seed + index, numRuns, examples: plainRequests });
    }
    // The requests are not all refused at the door.
    for (const status of [200, 401, 404, 422]) expect(seen.get(status), String(status)).toBeGreaterThan(0);
    expect(failures).toEqual([]);
  },
);

test(
  `a good request with something else in a field makes none of these either (FUZZ_SEED=${seed})`,
  { timeout: 300_000 },
  async () => {
    const world = await newWorld(url);
    for (const page of pageRoutes) {
      const good = await page.good(world);
      const fields = fieldsOf(good);
      if (fields.length === 0) continue;
      const property = fc.asyncProperty(fc.constantFrom(...fields), anyJson, async (field, value) => {
        // A path without its parameter is another path.
        const isNoPart = typeof value === "string" && /^\.{0,2}$/.test(value);
        if (placeOf(good, field) === "path" && isNoPart) return;
        const asked = withField(good, field, typeof value === "string" ? value.toWellFormed() : value);
        await askHarmless(url + (lineOf(page.route, asked).split(" ")[1] ?? ""), {
          method: page.route.split(" ")[0] ?? "",
          headers: {
            "content-type": "application/json",
            ...asked.headers,
            ...(asked.by ? { authorization: `Bearer ${asked.by.token}` } : {}),
          },
          body: asked.body instanceof Uint8Array ? Buffer.from(asked.body) : JSON.stringify(asked.body ?? {}),
        });
      });
      await fc.assert(property, { seed, numRuns: Math.ceil(runs / pageRoutes.length) });
    }
    expect(failures).toEqual([]);
  },
);

function fieldsOf({ params, query, body }: Asked): string[] {
  const inBody = body instanceof Uint8Array || Array.isArray(body) ? {} : (body ?? {});
  return [params ?? {}, query ?? {}, inBody].flatMap((part) => Object.keys(part));
}

const names = procedures
  .map(({ name }) => name)
  .filter((name) => name !== "auth.logout" && name !== "keys.remove");
const anyName = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...names) },
  { weight: 1, arbitrary: fc.constantFrom("nowhere", "messages", "messages.__proto__", "", "a.b.c.d") },
);

test(
  `nor does anything on tRPC over HTTP, in batches or alone (FUZZ_SEED=${seed})`,
  { timeout: 300_000 },
  async () => {
    const anyCall = fc.record({
      path: fc.oneof(
        anyName,
        fc.array(anyName, { minLength: 2, maxLength: 20 }).map((each) => each.join(",")),
      ),
      isGet: fc.boolean(),
      isBatch: fc.boolean(),
      input: fc.oneof(
        anyBody,
        fc
          .dictionary(fc.constantFrom("0", "1", "2", "x"), fc.dictionary(anyField, anyJson, { maxKeys: 5 }))
          .map((value) => JSON.stringify(value)),
      ),
      headers: anyHeaders,
    });
    const property = fc.asyncProperty(anyCall, async ({ path, isGet, isBatch, input, headers }) => {
      const query = new URLSearchParams(isBatch ? { batch: "1" } : {});
      // A request line holds no more than 16 KiB.
      if (isGet) query.set("input", input.toString("utf8").toWellFormed().slice(0, 4_000));
      await askHarmless(`${url}/trpc/${path}?${query.toString()}`, {
        method: isGet ? "GET" : "POST",
        headers: { "content-type": "application/json", ...headers, authorization: `Bearer ${owner.token}` },
        ...(isGet ? {} : { body: input }),
      });
    });
    await fc.assert(property, { seed, numRuns: Math.ceil(runs / 3) });
    expect(failures).toEqual([]);
  },
);

const anyFrame = fc.oneof(
  anyBody,
  fc.record({ type: fc.constant("ack"), log: anyJson, seq: anyJson }).map((frame) => JSON.stringify(frame)),
  fc
    .record({
      id: anyJson,
      jsonrpc: anyJson,
      method: fc.oneof(fc.constantFrom("query", "mutation", "subscription", "subscription.stop"), anyText),
      params: fc.record({ path: anyName, input: anyJson, lastEventId: anyJson }),
    })
    .map((frame) => JSON.stringify(frame)),
);
const frames = fc.sample(anyFrame, { seed, numRuns: 80 }).filter((each) => Buffer.byteLength(each) < 65_000);

test(`random frames do not end /ws or the server (FUZZ_SEED=${seed})`, { timeout: 60_000 }, async () => {
  await using client = await WsClient.connect(url, { token: owner.token, resume: true });
  for (const frame of frames) client.socket.send(frame);
  client.send({ type: "ping" });
  await client.next("pong");
  expect(failures).toEqual([]);
});

test(
  `random frames do not end the server on tRPC's socket (FUZZ_SEED=${seed})`,
  { timeout: 60_000 },
  async () => {
    for (const frame of frames) {
      const socket = new WebSocket(`${url.replace("http", "ws")}/trpc`);
      await new Promise<void>((resolve, reject) => {
        socket.once("open", () => {
          socket.send(frame);
          socket.close();
        });
        socket.once("close", () => resolve());
        socket.once("error", reject);
      });
    }
    const alive = await ask(url, "GET /keys/me", { by: owner });
    expect(alive.status).toBe(200);
    expect(failures).toEqual([]);
  },
);
