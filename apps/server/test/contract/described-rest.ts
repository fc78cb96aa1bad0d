import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { expect } from "vitest";
import { requireListedRefusal } from "./listed-refusals.ts";
import { rest as plainRest, type Json, type RestAnswer, type RestOptions } from "../rest-client.ts";

export interface OpenApiDocument extends Json {
  paths: Record<string, Record<string, { responses: Record<string, unknown> }>>;
}

/** As `rest()`; the answer is also held against what the server's OpenAPI document says of it. */
export async function rest(url: string, route: string, options: RestOptions = {}): Promise<RestAnswer> {
  const answer = await plainRest(url, route, options);
  await requireDescribed(url, route, answer);
  return answer;
}

export async function fetchDocument(url: string): Promise<OpenApiDocument> {
  return (await (await fetch(`${url}/openapi.json`)).json()) as OpenApiDocument;
}

/** An answer whose body is a list. */
export function listOf(answer: RestAnswer): Json[] {
  expect(answer.status).toBe(200);
  const body: unknown = answer.body;
  if (!Array.isArray(body)) throw new Error(`no list: ${JSON.stringify(body)}`);
  return body as Json[];
}

/** A list inside an answer: `messages`, `conversations`. */
export function fieldList(answer: RestAnswer, field: string): Json[] {
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  const value = answer.body[field];
  if (!Array.isArray(value)) throw new Error(`no list: ${JSON.stringify(answer.body)}`);
  return value as Json[];
}

/** What of an answer a refusal is made of. */
export function outcome({ status, body }: RestAnswer): { status: number; detail: unknown } {
  return { status, detail: body["detail"] };
}

/** The issues of a 422, checked to be of the one shape. */
export function issuesOf(answer: RestAnswer): { loc: unknown[]; msg: string; type: string }[] {
  expect(answer.status, JSON.stringify(answer.body)).toBe(422);
  const issues = answer.body["detail"];
  if (!Array.isArray(issues)) throw new Error(`no list: ${JSON.stringify(answer.body)}`);
  expect(issues.length).toBeGreaterThan(0);
  for (const issue of issues as Json[]) {
    expect(Object.keys(issue).toSorted()).toEqual(["loc", "msg", "type"]);
    expect(["body", "query", "path", "header"]).toContain((issue["loc"] as unknown[])[0]);
    expect(issue["msg"]).toEqual(expect.stringMatching(/./));
    expect(issue["type"]).toEqual(expect.stringMatching(/^[a-z_]+$/));
  }
  return issues as { loc: unknown[]; msg: string; type: string }[];
}

/** The places that a 422 names. */
export function placesOf(answer: RestAnswer): string[] {
  return issuesOf(answer).map(({ loc }) => loc.join("."));
}

// One document for the whole file: it does not depend on the server's settings.
let described: Promise<Validators> | undefined;

/** Holds a JSON answer against what the server's OpenAPI document says of it. */
export async function requireDescribed(url: string, route: string, answer: RestAnswer): Promise<void> {
  described ??= fetchDocument(url).then((document) => new Validators(document));
  const validators = await described;
  const { method, template } = validators.match(route);
  if (template) requireListedRefusal(method, template, answer);
  const validate = validators.find(route, answer.status);
  if (validate(answer.body)) return;
  throw new Error(
    `${route} answered ${answer.status} with what its OpenAPI schema does not describe: ` +
      `${JSON.stringify(validate.errors)} in ${JSON.stringify(answer.body)}`,
  );
}

/** Holds the media type of an answer that is no JSON against the document. */
export async function requireDescribedType(url: string, route: string, answer: RestAnswer): Promise<void> {
  described ??= fetchDocument(url).then((document) => new Validators(document));
  const given = answer.headers.get("content-type") ?? "";
  const types = (await described).types(route, answer.status);
  const isDescribed = types.some((type) => given.startsWith(type.replace(/(\*\/)?\*$/, "")));
  if (!isDescribed) throw new Error(`${route} answered ${answer.status} ${given}, not ${types.join(" or ")}`);
}

class Validators {
  readonly #ajv = new Ajv2020({ strict: false, validateSchema: false, validateFormats: false });
  readonly #document: OpenApiDocument;
  readonly #compiled = new Map<string, ValidateFunction>();

  constructor(document: OpenApiDocument) {
    this.#document = document;
    this.#ajv.addSchema(document, "openapi");
  }

  find(route: string, status: number): ValidateFunction {
    const pointer = this.#pointer(route, status);
    const known = this.#compiled.get(pointer);
    if (known) return known;
    const compiled = this.#ajv.compile({ $ref: `openapi#${pointer}` });
    this.#compiled.set(pointer, compiled);
    return compiled;
  }

  /** The document's path that a request's path is an instance of. */
  match(route: string): { method: string; template: string | undefined } {
    const [method = "", target = ""] = route.split(" ");
    const path = target.replace(/\?.*$/s, "");
    const template = Object.keys(this.#document.paths)
      .filter((candidate) => this.#document.paths[candidate]?.[method.toLowerCase()])
      .toSorted((a, b) => a.split("{").length - b.split("{").length)
      .find((candidate) => new RegExp(`^${candidate.replace(/\{\w+\}/g, "[^/]+")}$`).test(path));
    return { method, template };
  }

  /** The media types of an answer. */
  types(route: string, status: number): string[] {
    const { method, template = "" } = this.match(route);
    const responses = this.#document.paths[template]?.[method.toLowerCase()]?.responses ?? {};
    const { content = {} } = (responses[String(status)] ?? {}) as { content?: object };
    return Object.keys(content);
  }

  #pointer(route: string, status: number): string {
    const { method, template } = this.match(route);
    const responses = template && this.#document.paths[template]?.[method.toLowerCase()]?.responses;
    if (!template || !responses) return "/components/schemas/Error";
    const key = Object.hasOwn(responses, String(status)) ? String(status) : "default";
    return `/paths/${escapePointer(template)}/${method.toLowerCase()}/responses/${key}/content/application~1json/schema`;
  }
}

function escapePointer(part: string): string {
  return encodeURI(part.replaceAll("~", "~0").replaceAll("/", "~1"));
}
