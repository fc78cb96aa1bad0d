import {
  accessRefusals,
  commonRefusals,
  contract,
  errorDefinition,
  errors,
  isErrorCode,
  kindRefusals,
  limitRefusal,
  toSnake,
  type ErrorCode,
  type Procedure,
} from "@sotto/schema";
import { z } from "zod";
import { listRoutes, type Route } from "../../src/transport/rest/routes.ts";
import { boundsText, typeText } from "./type-text.ts";

const intro = `# API

Every procedure and every error, written from the contract (\`packages/schema/src\`) by \`npm run docs:api\`. What the fields mean, \`/ws\` and the order of things are in [PROTOCOL.md](PROTOCOL.md). The same for machines: \`/openapi.json\`, shown by \`/docs\`.

REST is snake_case. On tRPC (\`/trpc\`, over HTTP and WebSocket) the same fields are camelCase; uploads and downloads are on REST alone. \`uuid\` is a lower-case UUID, \`time\` RFC 3339 in UTC with milliseconds.

A procedure's own refusals are listed with it. Beside them a call may meet:

`;

/** `docs/API.md`. */
export function writeApiPage(): string {
  const areas = Object.entries(contract).map(([area, procedures]) => {
    const parts = Object.entries(procedures).map(([name, procedure]) =>
      writeProcedure(area, name, procedure),
    );
    return [`## ${area}`, ...parts].join("\n\n");
  });
  return `${intro}${writeSharedRefusals()}\n\n${areas.join("\n\n")}\n\n${writeErrors()}\n`;
}

function writeSharedRefusals(): string {
  const rows = [
    ["any", commonRefusals],
    ["access `user`", accessRefusals("user")],
    ["access `device`: also", accessRefusals("device").slice(accessRefusals("user").length)],
    ["limit `otp`", [limitRefusal("otp")]],
    ["any other limit", [limitRefusal("general")]],
    ["`Idempotency-Key`", ["IDEMPOTENCY_KEY_REUSED"]],
    ["with a body", kindRefusals({ kind: "mutation" })],
    ["downloads", kindRefusals({ kind: "download" })],
    ["subscriptions", kindRefusals({ kind: "subscription" })],
  ] as const;
  return table(
    ["Call", "Refusals"],
    rows.map(([call, codes]) => [call, codes.map(link).join(", ")]),
  );
}

const routes = new Map(listRoutes().map((route) => [`${route.area}.${route.name}`, route]));

function writeProcedure(area: string, name: string, procedure: Procedure): string {
  const route = routes.get(`${area}.${name}`);
  const isRestOnly = procedure.kind === "upload" || procedure.kind === "download";
  const facts = [
    ...(route ? [`\`${route.rest.method} ${route.rest.path}\``] : []),
    ...(isRestOnly ? [procedure.kind] : [`tRPC ${procedure.kind} \`${area}.${name}\``]),
    `access \`${procedure.access}\``,
    `limit \`${procedure.limit}\``,
    ...(procedure.creates ? ["`Idempotency-Key`"] : []),
  ];
  const refusals = procedure.errors.map(link).join(", ");
  return [
    `### ${area}.${name}`,
    `${procedure.summary}.`,
    facts.join(" · "),
    ...writeInput(procedure, route),
    writeOutput(procedure, route),
    ...(refusals ? [`Refusals: ${refusals}.`] : []),
  ].join("\n\n");
}

function writeInput(procedure: Procedure, route: Route | undefined): string[] {
  const schema = z.toJSONSchema(procedure.input, { io: "input", unrepresentable: "any" });
  const required = new Set(schema.required);
  const rename = route ? toSnake : (key: string): string => key;
  const rows = Object.entries(schema.properties ?? {}).map(([key, field]) => {
    const type = typeText(field, rename).replaceAll(/\s+/g, " ").replaceAll("|", "\\|");
    const hasDefault = typeof field === "object" && field.default !== undefined;
    return [
      `\`${rename(key)}\`${required.has(key) ? "" : "?"}`,
      route ? placeOf(route, key) : "",
      `\`${type}\``,
      boundsText(field),
      hasDefault ? `\`${JSON.stringify(field.default)}\`` : "",
    ];
  });
  const bytes = procedure.kind === "upload" ? ["The request's body is the bytes."] : [];
  if (rows.length === 0) return bytes;
  return [...bytes, table(["Input", "Place", "Type", "Bounds", "Default"], rows)];
}

function placeOf({ rest, fields }: Route, key: string): string {
  const name = toSnake(key);
  switch (fields.find((field) => field.name === key)?.location) {
    case "path":
      return "path";
    case "header":
      return `header \`${rest.headers?.[name] ?? name}\``;
    case "query":
      return rest.method === "GET" ? "query" : "query, or body";
    default:
      if (rest.wholeBody === name) return "body, or the whole body";
      return rest.alsoQuery?.includes(name) ? "body, or query" : "body";
  }
}

function writeOutput({ kind, output }: Procedure, route: Route | undefined): string {
  const bytes = route?.rest.bytes;
  const ofBytes = bytes ? `Output: the bytes (\`${bytes}\`)` : "";
  if (output instanceof z.core.$ZodNever) return `${ofBytes}.`;
  const schema = z.toJSONSchema(output, { io: "output", unrepresentable: "any" });
  const type = typeText(schema, route ? toSnake : (key) => key);
  const before = bytes ? `${ofBytes}, or` : kind === "subscription" ? "Each event:" : "Output:";
  return type.includes("\n") ? `${before}\n\n\`\`\`ts\n${type}\n\`\`\`` : `${before} \`${type}\``;
}

const advice = { never: "no", later: "later", after_change: "after a change" };

function writeErrors(): string {
  const rows = Object.keys(errors)
    .filter(isErrorCode)
    .map((code) => {
      const { status, retry } = errorDefinition(code);
      return [`<a id="${code.toLowerCase()}"></a>${code}`, String(status), detailOf(code), advice[retry]];
    });
  return [
    "## Errors",
    'On tRPC the code is in `error.data.sotto.code` and the details beside it. On REST, *text*: `detail` is the text. *object*: `detail` is `{"code", …fields}`, with the code in lower case. *list*: `detail` is the list of what is wrong with the input. 401 carries `WWW-Authenticate`, and an error that holds `retry_after` carries `Retry-After`.',
    table(["Code", "Status", "REST `detail`", "Again?"], rows),
  ].join("\n\n");
}

function detailOf(code: ErrorCode): string {
  const { rest, detail, details } = errorDefinition(code);
  if (rest === "list") return "list";
  if (rest === undefined) return `text \`${detail}\``;
  if (!details) return "object";
  const schema = z.toJSONSchema(details, { io: "output", unrepresentable: "any" });
  return `object: ${Object.keys(schema.properties ?? {})
    .map((key) => `\`${toSnake(key)}\``)
    .join(", ")}`;
}

const link = (code: ErrorCode): string => `[${code}](#${code.toLowerCase()})`;

function table(head: string[], rows: string[][]): string {
  return [tableLine(head), tableLine(head.map(() => "---")), ...rows.map(tableLine)].join("\n");
}

const tableLine = (cells: string[]): string =>
  `|${cells.map((cell) => (cell ? ` ${cell} ` : " ")).join("|")}|`;
