import { contract, toCamel, toSnake, type Procedure, type RestRoute } from "@sotto/schema";
import createRouter from "find-my-way";
import { core } from "zod";

/** Where a field of a request stands, as validation errors name it. */
export type FieldLocation = "path" | "query" | "header" | "body";

type Scalar = "number" | "boolean" | "string";

/** One REST route with what is needed to read its input. Field names are the contract's, in camelCase. */
export interface Route {
  area: string;
  name: string;
  procedure: Procedure;
  rest: RestRoute;
  fields: readonly { name: string; location: FieldLocation; scalar: Scalar }[];
}

/** Every REST route of the contract. */
export function listRoutes(): Route[] {
  return Object.entries(contract).flatMap(([area, procedures]) =>
    Object.entries(procedures).flatMap(([name, procedure]: [string, Procedure]) =>
      procedure.rest
        ? [{ area, name, procedure, rest: procedure.rest, fields: listFields(procedure, procedure.rest) }]
        : [],
    ),
  );
}

function listFields(procedure: Procedure, rest: RestRoute): Route["fields"] {
  const inPath = new Set([...rest.path.matchAll(/\{(\w+)\}/g)].map(([, key = ""]) => toCamel(key)));
  // An upload's body is its bytes.
  const isQueryOnly = rest.method === "GET" || procedure.kind === "upload";
  const locate = (name: string): FieldLocation => {
    if (inPath.has(name)) return "path";
    if (rest.headers?.[toSnake(name)]) return "header";
    return isQueryOnly || rest.query?.includes(toSnake(name)) ? "query" : "body";
  };
  return Object.entries(procedure.input.shape).map(([name, schema]) => ({
    name,
    location: locate(name),
    scalar: scalarOf(schema),
  }));
}

/** What a string of a path or a query is to be read as. */
function scalarOf(schema: unknown): Scalar {
  const isWrapper =
    schema instanceof core.$ZodOptional ||
    schema instanceof core.$ZodNullable ||
    schema instanceof core.$ZodDefault;
  if (isWrapper) return scalarOf(schema._zod.def.innerType);
  if (schema instanceof core.$ZodNumber) return "number";
  return schema instanceof core.$ZodBoolean ? "boolean" : "string";
}

/** A device id is up to 64 characters, each up to 12 when escaped. */
const maxParamChars = 800;
const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

interface RouteTable {
  find(
    method: string,
    path: string,
  ): { route: Route; params: Record<string, string | undefined> } | undefined;
  allowedMethods(path: string): string[];
}

export function createRouteTable(): RouteTable {
  const router = createRouter({ maxParamLength: maxParamChars });
  for (const route of listRoutes()) {
    router.on(route.rest.method, route.rest.path.replace(/\{(\w+)\}/g, ":$1"), () => {}, route);
  }
  const find: RouteTable["find"] = (method, path) => {
    const known = method === "HEAD" ? "GET" : methods.find((candidate) => candidate === method);
    const match = known && router.find(known, path);
    if (!match) return undefined;
    const route: Route | null = match.store;
    // Of all answers only that of a download may be too large to ask for unseen.
    if (method === "HEAD" && route?.procedure.kind !== "download") return undefined;
    // `/keys/` names no user: it is another path than `/keys/{user_id}`.
    const isWhole = Object.values(match.params).every((param) => param !== "");
    return route && isWhole ? { route, params: match.params } : undefined;
  };
  return { find, allowedMethods: (path) => methods.filter((method) => find(method, path)) };
}
