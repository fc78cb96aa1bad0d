import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, describe, expect, test } from "vitest";
import { createTestDatabase } from "../database.ts";
import { signIn } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { contractRoutes } from "./contract-routes.ts";
import { fetchDocument, rest } from "./described-rest.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());

describe("/health", () => {
  test("says that the server can serve", async () => {
    const response = await fetch(`${server.url}/health`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: "ok", env: "dev" });
    expect((await fetch(`${server.url}/health`, { method: "HEAD" })).status).toBe(200);
  });

  test("is 503 when the database is gone", async () => {
    const database = await createTestDatabase();
    await using orphan = await startTestServer({ database });
    await database[Symbol.asyncDispose]();
    const response = await fetch(`${orphan.url}/health`);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ env: "dev" });
    const call = await rest(orphan.url, "POST /auth/request_otp", { body: { phone: "+4915112345678" } });
    expect(call.status).toBeGreaterThanOrEqual(500);
    expect(JSON.stringify(call.body)).not.toMatch(/database|exist|postgres|test_/i);
  });
});

describe("/metrics", () => {
  test("counts calls by procedure and outcome, in Prometheus' text format", async () => {
    await signIn(server.url);
    await rest(server.url, "GET /keys/me");
    const response = await fetch(`${server.url}/metrics`);
    expect(response.headers.get("content-type")).toContain("text/plain");
    const text = await response.text();
    expect(text).toMatch(
      /^sotto_call_duration_seconds_count\{procedure="auth.verifyOtp",door="rest",outcome="200"\} [1-9]/m,
    );
    expect(text).toMatch(/procedure="keys.listMine",door="rest",outcome="401"/);
    expect(text).toMatch(/^# TYPE sotto_messages_stored_total counter$/m);
    for (const line of text.split("\n").filter((each) => each !== "")) {
      expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{.*\})? (-?[\d.e+-]+|NaN|[+-]?Inf))$/);
    }
  });

  test("names nobody", async () => {
    const person = await signIn(server.url);
    await rest(server.url, "GET /keys/me", { token: person.token });
    const text = await (await fetch(`${server.url}/metrics`)).text();
    for (const secret of [person.id, person.phone, person.token]) expect(text).not.toContain(secret);
  });
});

describe("/openapi.json", () => {
  test("is of OpenAPI 3.1's structure", async () => {
    const document = (await fetchDocument(server.url)) as unknown as {
      openapi: string;
      info: { title: string; version: string };
      paths: Record<string, Record<string, Operation>>;
      components: { schemas: Record<string, object>; securitySchemes: Record<string, object> };
    };
    interface Operation {
      operationId: string;
      summary: string;
      parameters?: { name: string; in: string; required?: boolean; schema: object }[];
      requestBody?: { content: Record<string, { schema: object }> };
      responses: Record<string, { description: string; content?: Record<string, { schema?: object }> }>;
      security?: Record<string, string[]>[];
    }
    expect(document.openapi).toMatch(/^3\.1\.\d$/);
    expect(document.info.title).toBe("Sotto");
    expect(document.info.version).toMatch(/^\d+\.\d+\.\d+$/);
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    const schemas: object[] = Object.values(document.components.schemas);
    const ids: string[] = [];
    for (const [path, operations] of Object.entries(document.paths)) {
      expect(path).toMatch(/^\/[\w/.{}]+$/);
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const [method, operation] of Object.entries(operations)) {
        expect(["get", "post", "put", "patch", "delete"]).toContain(method);
        ids.push(operation.operationId);
        const parameters = operation.parameters ?? [];
        expect(parameters.filter((p) => p.in === "path").map((p) => p.name)).toEqual(inPath);
        for (const parameter of parameters) {
          expect(["path", "query", "header"]).toContain(parameter.in);
          if (parameter.in === "path") expect(parameter.required).toBe(true);
          schemas.push(parameter.schema);
        }
        expect(operation.requestBody === undefined || method !== "get").toBe(true);
        schemas.push(...Object.values(operation.requestBody?.content ?? {}).map(({ schema }) => schema));
        expect(Object.keys(operation.responses).length).toBeGreaterThan(0);
        for (const [status, response] of Object.entries(operation.responses)) {
          expect(status).toMatch(/^([1-5]\d\d|default)$/);
          expect(response.description).toMatch(/./);
          // What is known already is not sent again.
          expect(response.content === undefined).toBe(status === "304");
          schemas.push(
            ...Object.values(response.content ?? {}).flatMap(({ schema }) => (schema ? [schema] : [])),
          );
        }
        for (const requirement of operation.security ?? []) {
          for (const scheme of Object.keys(requirement)) {
            expect(Object.keys(document.components.securitySchemes)).toContain(scheme);
          }
        }
      }
    }
    expect(new Set(ids).size).toBe(ids.length);
    for (const schema of schemas) {
      if ("$ref" in schema) expect(schema.$ref).toBe("#/components/schemas/Error");
      else expect(ajv.validateSchema(schema), JSON.stringify(schema)).toBe(true);
    }
    expect(JSON.stringify(document)).not.toMatch(/"[a-z]+[A-Z]\w*":\{"type"/);
  });

  test("has every route of the contract, with its access", async () => {
    const { paths } = await fetchDocument(server.url);
    const listed = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const operations = ["GET /health", "GET /metrics", "GET /openapi.json", "GET /docs"];
    const wanted = contractRoutes.map(({ method, template }) => `${method} ${template}`);
    expect(listed.toSorted()).toEqual([...wanted, ...operations].toSorted());
    for (const { method, template, procedure } of contractRoutes) {
      const operation = paths[template]?.[method.toLowerCase()];
      const security = operation && "security" in operation;
      expect(security, template).toBe(procedure.access !== "public");
    }
  });
});

describe("/docs", () => {
  test("everything that the page loads comes from this server", async () => {
    const page = await fetch(`${server.url}/docs`);
    const html = await page.text();
    expect(page.headers.get("content-type")).toContain("text/html");
    expect(html).not.toMatch(/https?:\/\/|\/\/[a-z]/);
    const loaded = [...html.matchAll(/(?:src|href)="(\/[^"]*)"/g)].map(([, url]) => url ?? "");
    expect(loaded.length).toBeGreaterThanOrEqual(3);
    for (const path of loaded) {
      const response = await fetch(server.url + path);
      expect(response.status, path).toBe(200);
      const type = response.headers.get("content-type") ?? "";
      expect(type).toMatch(path.endsWith(".css") ? /^text\/css/ : /javascript|json/);
      expect((await response.text()).length).toBeGreaterThan(50);
    }
    const { status } = await fetch(`${server.url}/docs/`);
    expect(status).toBe(200);
  });

  test("the page may load from nowhere else, and be framed by nobody", async () => {
    const { headers } = await fetch(`${server.url}/docs`);
    const policy = headers.get("content-security-policy") ?? "";
    for (const directive of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"]) {
      expect(policy).toContain(directive);
    }
    expect(policy).not.toMatch(/script-src[^;]*unsafe/);
    expect(policy).not.toMatch(/https?:|\*/);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
  });

  test("serves nothing but its own files", async () => {
    for (const path of [
      "/docs/../package.json",
      "/docs/%2e%2e/package.json",
      "/docs/..%2fpackage.json",
      "/docs/package.json",
      "/docs/constructor",
      "/docs/__proto__",
    ]) {
      expect((await fetch(server.url + path)).status, path).toBe(404);
    }
  });
});
