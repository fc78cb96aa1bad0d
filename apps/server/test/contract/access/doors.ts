import { contract, toSnakeKeys, type Procedure } from "@sotto/schema";
import { createTRPCUntypedClient, httpLink, TRPCClientError } from "@trpc/client";

export interface Outcome {
  status: number;
  /** The answer in snake_case, or the refusal's text. */
  answer: unknown;
}

export interface NamedProcedure {
  name: string;
  procedure: Procedure;
}

/** Every procedure there is, as `area.name`. */
export const procedures: NamedProcedure[] = Object.entries(contract).flatMap(([area, table]) =>
  Object.entries(table).map(([name, procedure]: [string, Procedure]) => ({
    name: `${area}.${name}`,
    procedure,
  })),
);

type Input = Record<string, unknown>;
type Door = (
  url: string,
  token: string,
  call: { of: NamedProcedure; input: Input },
) => Promise<Outcome | undefined>;

/** The doors that a procedure has; each gives undefined where the procedure is not on it. */
export const doors: Record<string, Door> = { REST: callRest, tRPC: callTrpc };

async function callRest(
  url: string,
  token: string,
  { of, input }: Parameters<Door>[2],
): Promise<Outcome | undefined> {
  const { rest } = of.procedure;
  if (!rest) return undefined;
  const { body: bytes, ...named } = input;
  const fields = new Map(Object.entries(toSnakeKeys(named) as Input));
  const headers: Record<string, string> = { authorization: `Bearer ${token}` };
  const path = rest.path.replace(/\{(\w+)\}/g, (_, key: string) => {
    const value = String(fields.get(key));
    fields.delete(key);
    return encodeURIComponent(value);
  });
  const query = new URLSearchParams();
  for (const [key, value] of fields) {
    if (rest.method !== "GET" && !rest.query?.includes(key)) continue;
    query.set(key, String(value));
    fields.delete(key);
  }
  const isRaw = bytes instanceof Uint8Array;
  if (!isRaw && fields.size > 0) headers["content-type"] = "application/json";
  const response = await fetch(`${url}${path}?${query.toString()}`, {
    method: rest.method,
    headers,
    ...(isRaw ? { body: new Uint8Array(bytes) } : {}),
    ...(!isRaw && fields.size > 0 ? { body: JSON.stringify(Object.fromEntries(fields)) } : {}),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json");
  const answer: unknown = isJson ? JSON.parse(text) : text;
  if (response.status === 200) return { status: 200, answer: comparable(of, answer) };
  return { status: response.status, answer: (answer as { detail: unknown }).detail };
}

async function callTrpc(
  url: string,
  token: string,
  { of, input }: Parameters<Door>[2],
): Promise<Outcome | undefined> {
  const { kind } = of.procedure;
  if (kind !== "query" && kind !== "mutation") return undefined;
  const headers = { authorization: `Bearer ${token}` };
  const client = createTRPCUntypedClient({ links: [httpLink({ url: `${url}/trpc`, headers })] });
  try {
    const answer = await (kind === "query" ? client.query(of.name, input) : client.mutation(of.name, input));
    return { status: 200, answer: comparable(of, toSnakeKeys(answer)) };
  } catch (error) {
    if (!(error instanceof TRPCClientError)) throw error;
    const data = error.data as { httpStatus: number; sotto: { code: string } };
    return { status: data.httpStatus, answer: error.message };
  }
}

const made = /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+Z)$/;
const secrets = new Set(["code", "dev_code", "access_token", "otp_session"]);

/** Of what a mutation gives: without what each call makes anew, ids, times and secrets. */
function comparable({ procedure }: NamedProcedure, answer: unknown): unknown {
  if (procedure.kind === "query") return answer;
  const text = JSON.stringify(answer, (key, value: unknown) =>
    secrets.has(key) || (typeof value === "string" && made.test(value)) ? "made anew" : value,
  );
  return JSON.parse(text);
}
