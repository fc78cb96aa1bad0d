import { randomInt } from "node:crypto";
import { toSnake } from "@sotto/schema";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { startTestServer } from "../test-server.ts";
import { contractRoutes, unknownId } from "./contract-routes.ts";
import { newPair, sendAll } from "./people.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());

const seed = Number(process.env["FUZZ_SEED"] ?? randomInt(2 ** 31));
const runs = Number(process.env["FUZZ_RUNS"] ?? 600);
/** No answer takes a server that is well as long. */
const hangMs = 5_000;

const [ada, bob] = await newPair(server.url);
const [message] = await sendAll(server.url, bob, ada, ["a"]);

/** Strings that are something somewhere. */
const telling = fc.constantFrom(
  ada.id,
  bob.id,
  String(message?.["id"]),
  String(message?.["conversation_id"]),
  unknownId,
  "phone",
  "true",
  "1e999",
  "-1",
  "9007199254740993",
  "2026-02-30",
  "0000-01-01",
  "+275760-09-13T00:00:00Z",
  "9999-12-31T23:59:60+23:59",
  "+4915112345678",
  "%",
  "%00",
  "%zz",
  "%c0%af",
  "%ed%a0%80",
  "..",
  ".",
  "\0",
  "\ud800",
  "\u202e",
  "';--",
  "{}",
  "__proto__",
  "constructor",
  "",
);
const anyText = fc.oneof(
  telling,
  fc.string({ unit: "binary", maxLength: 100 }),
  fc.string({ maxLength: 80 }),
);
const scalar: fc.Arbitrary<unknown> = fc.oneof(
  anyText,
  fc.integer(),
  fc.double(),
  fc.constantFrom(null, true, false, 0, -1, 1e308, Number.MAX_SAFE_INTEGER, "x".repeat(70_000)),
);
const anyJson = fc.oneof(
  { weight: 4, arbitrary: scalar },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 6 }) },
  { weight: 1, arbitrary: fc.array(fc.dictionary(anyText, scalar, { maxKeys: 4 }), { maxLength: 4 }) },
);

const fieldNames = [
  ...new Set(
    contractRoutes.flatMap(({ procedure }) =>
      Object.keys(procedure.input.shape).flatMap((k) => [k, toSnake(k)]),
    ),
  ),
  "__proto__",
  "constructor",
  "toString",
];
const anyObject = fc.dictionary(fc.oneof(fc.constantFrom(...fieldNames), anyText), anyJson, { maxKeys: 8 });

const anyBody = fc.oneof(
  { weight: 8, arbitrary: anyObject.map((value) => JSON.stringify(value)) },
  { weight: 1, arbitrary: anyJson.map((value) => JSON.stringify(value) ?? "") },
  { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
  {
    weight: 1,
    arbitrary: fc.nat(5_000).map((depth) => `{"recipients":${"[".repeat(depth)}${"]".repeat(depth)}}`),
  },
  { weight: 1, arbitrary: fc.constant('{"__proto__":{"token":"x"},"limit":1e400}') },
);

const anyRequest = fc.record({
  route: fc.constantFrom(...contractRoutes),
  params: fc.array(fc.oneof(telling, anyText), { minLength: 2, maxLength: 2 }),
  isEscaped: fc.boolean(),
  query: fc.dictionary(fc.oneof(fc.constantFrom(...fieldNames), anyText), anyText, { maxKeys: 4 }),
  rawQuery: fc.constantFrom("", "&%", "&a=%zz", "&=&&", "&limit[]=1", "&limit=1&limit=x"),
  body: anyBody,
  isSignedIn: fc.boolean(),
  key: fc.option(fc.string({ maxLength: 40 })),
});

/** What a request line may hold: anything else the client's own URL would refuse. */
function pathOf(request: typeof anyRequest extends fc.Arbitrary<infer T> ? T : never): string {
  const { route, params, isEscaped, query, rawQuery } = request;
  let next = 0;
  const path = route.template.replace(/\{\w+\}/g, () => {
    const param = params[next++] ?? "";
    return isEscaped ? encodeURIComponent(param.toWellFormed()) : param.replace(/[^\x21-\x7e]|[#?]/g, "%");
  });
  const given = new URLSearchParams(
    Object.entries(query).map(([key, value]) => [key.toWellFormed(), value.toWellFormed()]),
  );
  return `${path}?${given.toString()}${rawQuery}`;
}

test(
  `no request makes a 5xx, a hang or an answer that is no JSON (FUZZ_SEED=${seed})`,
  { timeout: 180_000 },
  async () => {
    const seen = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(anyRequest, async (request) => {
        const { route, isSignedIn, body, key } = request;
        // Logging out would end the run's own token.
        if (route.template === "/auth/logout" || (route.method === "DELETE" && isSignedIn)) return;
        const response = await fetch(server.url + pathOf(request), {
          method: route.method,
          signal: AbortSignal.timeout(hangMs),
          headers: {
            "content-type": "application/json",
            ...(isSignedIn ? { authorization: `Bearer ${ada.token}` } : {}),
            ...(key === null ? {} : { "idempotency-key": key.replace(/[^\t\x20-\x7e]/g, "") }),
          },
          ...(route.method === "GET" ? {} : { body }),
        });
        const text = await response.text();
        expect(response.status, text).toBeLessThan(500);
        const answer: unknown = JSON.parse(text);
        expect(typeof answer).toBe("object");
        seen.set(response.status, (seen.get(response.status) ?? 0) + 1);
      }),
      { seed, numRuns: runs },
    );
    // The requests are not all refused at the door.
    for (const status of [200, 401, 404, 422]) expect(seen.get(status), String(status)).toBeGreaterThan(0);
  },
);

test(`random frames do not end /ws or the server (FUZZ_SEED=${seed})`, { timeout: 60_000 }, async () => {
  const { WsClient } = await import("../ws-client.ts");
  await using client = await WsClient.connect(server.url, { token: ada.token, resume: true });
  const frames = fc.sample(
    fc.oneof(
      anyBody,
      fc
        .record({ type: fc.constant("ack"), log: anyJson, seq: anyJson })
        .map((frame) => JSON.stringify(frame)),
    ),
    { seed, numRuns: 60 },
  );
  for (const frame of frames.filter((each) => Buffer.byteLength(each) < 65_000)) client.socket.send(frame);
  client.send({ type: "ping" });
  await client.next("pong");
});
