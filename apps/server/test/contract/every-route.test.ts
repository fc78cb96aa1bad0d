import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, describe, expect, test } from "vitest";
import { startTestServer } from "../test-server.ts";
import { contractRoutes } from "./contract-routes.ts";
import { fetchDocument, issuesOf, outcome } from "./described-rest.ts";
import { ask, lineOf, placeOf, withField } from "./page/ask.ts";
import { templateOf, type Asked, type PageRoute } from "./page/page.ts";
import { additions, operations, pageRoutes } from "./page/pages.ts";
import { paymentsSecret } from "./page/payments-routes.ts";
import { newWorld } from "./page/world.ts";

const clock = { behindMs: 0 };
const server = await startTestServer({
  env: { PAYMENTS_WEBHOOK_SECRET: paymentsSecret },
  now: () => new Date(Date.now() - clock.behindMs),
});
afterAll(() => server[Symbol.asyncDispose]());
const { url } = server;
const shared = await newWorld(url, clock);

const routes = pageRoutes.map((each): [string, PageRoute] => [each.route, each]);

describe.each(routes)("%s", (route, page) => {
  // What is listed depends on what was done before.
  const world = page.route.startsWith("GET") ? newWorld(url, clock) : Promise.resolve(shared);

  test("works, and gives what the page says", async () => {
    const asked = await page.good(await world);
    const answer = await ask(url, route, asked);
    expect(answer.status, JSON.stringify(answer.body)).toBe(200);
    expect(answer.body).toEqual(page.answer(await world, asked));
    for (const { why, ask: askFor, answer: expected } of page.cases ?? []) {
      const other = await askFor(await world);
      expect((await ask(url, route, other)).body, why).toEqual(expected(await world, other));
    }
  });

  test("asked again", async () => {
    const asked = await page.good(await world);
    const [first, second] = [await ask(url, route, asked), await ask(url, route, asked)];
    expect(first.status).toBe(200);
    if (page.again === "the same") expect(second.body).toEqual(first.body);
    else if (page.again === "another") {
      expect(second.status).toBe(200);
      expect(second.body).not.toEqual(first.body);
    } else expect(outcome(second)).toEqual(page.again);
  });

  for (const { why, status, detail, ask: askFor } of page.refusals ?? []) {
    test(`refuses ${why} with ${status}`, async () => {
      const answer = await ask(url, route, await askFor(await world));
      expect(outcome(answer)).toEqual({ status, detail: detail ?? (expect.anything() as unknown) });
    });
  }

  for (const [field, values] of Object.entries(page.wrong ?? {})) {
    test(`refuses a wrong ${field}, naming its place`, async () => {
      const asked = await page.good(await world);
      for (const value of values) {
        const answer = await ask(url, route, withField(asked, field, value));
        expectNamed(answer, { asked, field, value });
      }
    });
  }

  for (const field of page.required ?? []) {
    test(`refuses a missing ${field}`, async () => {
      const asked = await page.good(await world);
      const answer = await ask(url, route, withField(asked, field, undefined));
      expectNamed(answer, { asked, field, value: undefined });
      expect(issuesOf(answer)[0]?.type).toBe("missing");
    });
  }

  for (const field of page.movable ?? []) {
    test(`takes ${field} from the query, else from the body`, async () => {
      const inQuery = await page.good(await world);
      const { [field]: value = "", ...rest } = inQuery.query ?? {};
      const both = { ...inQuery, body: { [field]: "\u0001" } };
      expect((await ask(url, route, both)).status, "the query wins").toBe(200);
      const inBody = { ...inQuery, query: rest, body: { [field]: value === "true" ? true : value } };
      expect((await ask(url, route, inBody)).status).not.toBe(422);
    });
  }

  test("needs a token, where it does", async () => {
    const { by: _, ...asked } = await page.good(await world);
    const answer = await ask(url, route, asked);
    if (page.auth === "none") return expect(answer.status).toBe(200);
    expect(outcome(answer)).toEqual({ status: 401, detail: "Not authenticated" });
    expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    const forged = await ask(url, route, { ...asked, headers: { authorization: "Bearer a.b.c" } });
    expect(outcome(forged)).toEqual({ status: 401, detail: "Invalid token" });
    expect(forged.headers.get("www-authenticate")).toBe("Bearer");
  });

  test("is another path with something behind it, and another verb is refused", async () => {
    const asked = await page.good(await world);
    const longer = await ask(url, `${route}/nowhere/at/all`, asked);
    expect(outcome(longer)).toEqual({ status: 404, detail: "Not Found" });
    const other = await ask(url, route.replace(/^\w+/, "OPTIONS"), { ...asked, body: undefined });
    expect(outcome(other)).toEqual({ status: 405, detail: "Method Not Allowed" });
    expect(other.headers.get("allow")).toContain(route.split(" ")[0]);
  });

  if (!route.startsWith("GET")) {
    test("refuses a body that is too large before it comes", async () => {
      const asked = await page.good(await world);
      expect(await announce(route, asked)).toMatch(/^HTTP\/1\.1 413 /);
    });
  }

  const { creates } = page;
  if (creates) {
    test("honours Idempotency-Key", async () => {
      const headers = { "idempotency-key": `key-of-${route.replace(" ", "-")}` };
      const asked = { ...(await page.good(await world)), headers };
      const answers = await Promise.all([ask(url, route, asked), ask(url, route, asked)]);
      for (const answer of [...answers, await ask(url, route, asked)]) {
        expect(answer.body).toEqual(answers[0]?.body);
        expect(answer.status).toBe(200);
      }
      const reused = await ask(url, route, await creates(asked, await world));
      expect(outcome(reused)).toEqual({
        status: 409,
        detail: "Idempotency-Key was used for another request",
      });
    });
  }
});

function expectNamed(
  answer: Parameters<typeof issuesOf>[0],
  { asked, field, value }: { asked: Asked; field: string; value: unknown },
): void {
  const tried = `${field} = ${JSON.stringify(value)?.slice(0, 80)}: ${JSON.stringify(answer.body)}`;
  expect(answer.status, tried).toBe(422);
  const [issue] = issuesOf(answer);
  const place = placeOf(asked, field);
  const name = place === "path" ? expect.any(String) : field;
  expect(issue?.loc.slice(0, 2), tried).toEqual([place, name]);
}

/** Announces far more than any route takes, and gives what the server says to that. */
async function announce(route: string, asked: Asked): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let answer = "";
  socket.on("data", (chunk: Buffer) => (answer += chunk.toString("latin1")));
  socket.on("error", () => {});
  const head = [
    `${lineOf(route, asked)} HTTP/1.1`,
    `Host: ${hostname}`,
    `Authorization: Bearer ${asked.by?.token ?? ""}`,
    ...Object.entries(asked.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
    "Content-Length: 99999999999",
    "Connection: close",
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n`);
  await once(socket, "close");
  return answer;
}

describe("the page, the contract and the OpenAPI document", () => {
  const page = new Set(pageRoutes.map(({ route }) => templateOf(route)));
  const contract = new Set(contractRoutes.map(({ method, template }) => templateOf(`${method} ${template}`)));

  test("every route of the page is in the contract and in the document", async () => {
    const { paths } = await fetchDocument(url);
    const described = new Set(
      Object.entries(paths).flatMap(([path, verbs]) =>
        Object.keys(verbs).map((verb) => templateOf(`${verb.toUpperCase()} ${path}`)),
      ),
    );
    expect([...page].filter((route) => !contract.has(route))).toEqual([]);
    expect([...page, ...operations].filter((route) => !described.has(route))).toEqual([]);
  });

  test("what the contract has beyond the page is named as an addition", () => {
    expect([...contract].filter((route) => !page.has(route)).toSorted()).toEqual(
      additions.map(templateOf).toSorted(),
    );
  });
});
