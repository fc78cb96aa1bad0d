import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, describe, expect, test } from "vitest";
import { signInWithDevice } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { contractRoutes, unknownId } from "./contract-routes.ts";
import { issuesOf, outcome, placesOf, rest } from "./described-rest.ts";
import { uuidV7 } from "./shapes.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());
const { token } = await signInWithDevice(server.url, "phone");

const withBody = contractRoutes
  .filter(({ method, procedure }) => method !== "GET" && procedure.kind !== "upload")
  .map(({ route }) => route);
/** Where an array may be the whole body. */
const withWholeBody = new Set(
  contractRoutes.filter(({ procedure }) => procedure.rest?.wholeBody).map(({ route }) => route),
);
/** Where a route takes more than the usual 4 MiB. */
const maxBodyBytes = new Map(
  contractRoutes.map(({ route, procedure }) => [route, procedure.rest?.maxBodyBytes]),
);
const routes = contractRoutes.map(({ route }) => route);

/** Sends bytes as they are, and gives the whole answer. */
async function sendRaw(head: string[], ...body: (string | Buffer)[]): Promise<string> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  let answer = "";
  socket.on("data", (chunk: Buffer) => (answer += chunk.toString("latin1")));
  socket.on("error", () => {});
  socket.write(`${[...head, `Host: ${hostname}`, "Connection: close"].join("\r\n")}\r\n\r\n`);
  for (const part of body) socket.write(part);
  await once(socket, "close");
  return answer;
}

test("what is no request, or has too large a head, is refused in the form of every error", async () => {
  const garbage = await sendRaw(["no request at all"]);
  expect(garbage).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
  expect(garbage).toMatch(/\r\n\r\n\{"detail":"Bad Request"\}$/);
  const large = await sendRaw(["GET /keys/me HTTP/1.1", `X-Large: ${"x".repeat(20_000)}`]);
  expect(large).toMatch(/^HTTP\/1\.1 431 /);
  expect(large).toMatch(/\{"detail":"Request Header Fields Too Large"\}$/);
});

describe("unknown paths and verbs", () => {
  test.each([
    "/",
    "/nowhere",
    "/keys",
    "/keys/",
    "/messages//inbox",
    "/keys/me/",
    "/messages/send/x",
    "/%zz",
  ])("%s is not found", async (path) => {
    const answer = await rest(server.url, `GET ${path}`, { token });
    expect(outcome(answer)).toEqual({ status: 404, detail: "Not Found" });
    expect(Object.keys(answer.body)).toEqual(["detail"]);
  });

  test.each([...new Set(contractRoutes.map(({ template }) => template))])(
    "%s answers other verbs with 405",
    async (template) => {
      const path = contractRoutes.find((each) => each.template === template)?.route.split(" ")[1] ?? "";
      // `/keys/publish` is also an instance of `/keys/{user_id}`.
      const matches = (each: string): boolean =>
        new RegExp(`^${each.replace(/\{\w+\}/g, "[^/]+")}$`).test(path);
      const allowed = new Set(
        contractRoutes.filter((each) => matches(each.template)).map(({ method }) => method),
      );
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
        if (allowed.has(method)) continue;
        const answer = await rest(server.url, `${method} ${path}`, { token });
        expect(outcome(answer)).toEqual({ status: 405, detail: "Method Not Allowed" });
        expect(answer.headers.get("allow")?.split(", ").toSorted()).toEqual([...allowed].toSorted());
      }
    },
  );

  test.each(["/health", "/metrics", "/openapi.json", "/docs"])("%s is for GET alone", async (path) => {
    for (const method of ["POST", "DELETE"]) {
      const answer = await rest(server.url, `${method} ${path}`);
      expect(outcome(answer)).toEqual({ status: 405, detail: "Method Not Allowed" });
      expect(answer.headers.get("allow")).toBe("GET");
    }
  });
});

describe.each(withBody)("%s", (route) => {
  test.each([
    ["{", "no JSON"],
    ["{'a':1}", "single quotes"],
    ["nul", "half a word"],
    ['{"a":1}{', "something after it"],
    ["\ufeff{}x", "a byte order mark"],
    ["NaN", "NaN"],
  ])("answers the body %j (%s) with 422", async (body) => {
    expect(placesOf(await rest(server.url, route, { token, body }))).toEqual(["body"]);
  });

  const arrays = withWholeBody.has(route) ? [] : ["[]", "[[{}]]"];
  test.each([...arrays, "5", '"text"', "null", "true"])("wants an object, not %s", async (body) => {
    expect(placesOf(await rest(server.url, route, { token, body }))).toEqual(["body"]);
  });

  test("answers bad UTF-8 with 422", async () => {
    const [method, path] = route.split(" ");
    for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80]]) {
      const body = Buffer.concat([Buffer.from('{"phone":"'), Buffer.from(bytes), Buffer.from('"}')]);
      const response = await fetch(`${server.url}${path}`, {
        method: method ?? "",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body,
      });
      expect(response.status).toBe(422);
      const { detail } = (await response.json()) as { detail: { loc: string[] }[] };
      expect(detail.map(({ loc }) => loc)).toEqual([["body"]]);
    }
  });

  test("answers a body that nests without end with 422", async () => {
    const depth = 200_000;
    const body = `{"x":${"[".repeat(depth)}${"]".repeat(depth)}}`;
    expect(placesOf(await rest(server.url, route, { token, body }))).toEqual(["body"]);
  });

  test("answers a body that is too large with 413, before and while it is read", async () => {
    const [method, path] = route.split(" ");
    const head = [`${method} ${path} HTTP/1.1`, `Authorization: Bearer ${token}`];
    const maxBytes = maxBodyBytes.get(route) ?? 4_194_304;
    const announced = await sendRaw([...head, `Content-Length: ${maxBytes + 1}`]);
    const chunk = Buffer.alloc(65_536, 0x20);
    const chunks = Array.from({ length: maxBytes / chunk.length + 1 }, () => [
      "10000\r\n",
      chunk,
      "\r\n",
    ]).flat();
    const streamed = await sendRaw([...head, "Transfer-Encoding: chunked"], ...chunks, "0\r\n\r\n");
    for (const answer of [announced, streamed]) {
      expect(answer).toMatch(/^HTTP\/1\.1 413 /);
      expect(answer).toContain('{"detail":"Payload too large"}');
    }
  });
});

test("a client that sends the whole of a too large body reads the 413", async () => {
  const body = JSON.stringify({ ciphertext: "x".repeat(8 * 1_048_576) });
  for (let i = 0; i < 5; i++) {
    const answer = await rest(server.url, "POST /messages/send", { token, body });
    expect(outcome(answer)).toEqual({ status: 413, detail: "Payload too large" });
  }
});

test("unreadable requests do not end the server", async () => {
  for (const line of ["GET", "GET / HTTP/9.9", "\0\0\0", "GET http://[::1 HTTP/1.1"]) await sendRaw([line]);
  expect((await rest(server.url, "GET /keys/me", { token })).status).toBe(200);
});

test("a field of the wrong type is named with its place, text and type", async () => {
  const answer = await rest(server.url, "POST /auth/request_otp", { body: {} });
  expect(answer.body).toEqual({
    detail: [{ loc: ["body", "phone"], msg: expect.any(String) as unknown, type: "missing" }],
  });
  const wrong = await rest(server.url, "POST /auth/request_otp", { body: { phone: 5 } });
  expect(issuesOf(wrong)[0]).toMatchObject({ loc: ["body", "phone"], type: "invalid_type" });
  const path = await rest(server.url, "GET /messages/abc/receipts", { token });
  expect(issuesOf(path)[0]?.loc).toEqual(["path", "message_id"]);
  const nested = await rest(server.url, "POST /messages/send", {
    token,
    body: {
      recipient_user_id: unknownId,
      sender_device_id: "d",
      ciphertext: "c",
      recipients: [{ user_id: unknownId, device_id: "d", wrap: 5 }],
    },
  });
  expect(issuesOf(nested).map(({ loc }) => loc)).toEqual([["body", "recipients", 0, "wrap"]]);
});

test("fields that a route does not know are ignored, whatever they are called", async () => {
  const body =
    '{"public_key":"pk","device_id":"x","__proto__":{"device_name":"polluted"},"constructor":{"prototype":{"device_name":"polluted"}},"toString":1,"user_id":"y"}';
  const answer = await rest(server.url, "POST /keys/publish", { token, body });
  expect(answer.status).toBe(200);
  expect(answer.body["device_name"]).toBeNull();
  expect(({} as Record<string, unknown>)["device_name"]).toBeUndefined();
});

describe("X-Request-ID", () => {
  const operations = ["GET /health", "GET /metrics", "GET /openapi.json", "GET /docs", "GET /nowhere"];
  test.each([...routes, ...operations])(
    "%s echoes a sound one and makes one for any other",
    async (route) => {
      const [method = "", path = ""] = route.split(" ");
      const ask = async (id?: string): Promise<string | null> => {
        const headers = id === undefined ? {} : { "x-request-id": id };
        return (await fetch(server.url + path, { method, headers })).headers.get("x-request-id");
      };
      for (const id of ["abc", "!~", "x".repeat(128), unknownId]) expect(await ask(id)).toBe(id);
      for (const id of [undefined, "", "a b", "x".repeat(129), "é"]) expect(await ask(id)).toMatch(uuidV7);
    },
  );
});

describe("CORS", () => {
  const origin = "https://app.example";
  const preflight = {
    method: "OPTIONS",
    headers: {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization, content-type, idempotency-key",
    },
  };

  test("in dev any origin may call, and read the headers of the contract", async () => {
    const asked = await fetch(`${server.url}/messages/send`, preflight);
    expect(asked.status).toBe(204);
    expect(asked.headers.get("access-control-allow-origin")).toMatch(/^(\*|https:\/\/app\.example)$/);
    expect(asked.headers.get("access-control-allow-methods")).toMatch(/POST.*DELETE/);
    expect(asked.headers.get("access-control-allow-headers")).toContain("idempotency-key");
    for (const path of ["/keys/me", "/nowhere", "/health", "/trpc/keys.listMine"]) {
      const answer = await fetch(server.url + path, { headers: { origin } });
      expect(answer.headers.get("access-control-allow-origin")).toMatch(/^(\*|https:\/\/app\.example)$/);
      expect(answer.headers.get("access-control-expose-headers")).toContain("X-Request-ID");
      expect(answer.headers.get("access-control-allow-credentials")).toBeNull();
    }
  });

  test("a list allows what it names, exactly", async () => {
    await using strict = await startTestServer({
      env: { ALLOWED_ORIGINS: "https://app.example, https://b.example" },
    });
    const allowed = async (from: string): Promise<(string | null)[]> => {
      const answers = [
        await fetch(`${strict.url}/keys/me`, { headers: { origin: from } }),
        await fetch(`${strict.url}/keys/me`, {
          ...preflight,
          headers: { ...preflight.headers, origin: from },
        }),
      ];
      for (const answer of answers) expect(answer.headers.get("vary")).toMatch(/origin/i);
      return answers.map((answer) => answer.headers.get("access-control-allow-origin"));
    };
    for (const from of [origin, "https://b.example"]) expect(await allowed(from)).toEqual([from, from]);
    for (const from of ["https://evil.example", "http://app.example", "https://app.example.evil", "null"]) {
      expect(await allowed(from)).toEqual([null, null]);
    }
    expect((await fetch(`${strict.url}/health`)).headers.get("access-control-allow-origin")).toBeNull();
  });
});

test("answers are JSON that nobody stores", async () => {
  const { headers } = await rest(server.url, "GET /keys/me", { token });
  expect(headers.get("content-type")).toBe("application/json; charset=utf-8");
  expect(headers.get("cache-control")).toBe("no-store");
  expect(headers.get("x-content-type-options")).toBe("nosniff");
});
