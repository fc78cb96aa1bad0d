import { contract, type Procedure } from "@sotto/schema";
import type { App } from "../app.ts";
import { AppError } from "../errors.ts";
import { authenticate } from "../modules/accounts/authenticate.ts";
import { handlers } from "../modules/handlers.ts";
import type { Caller, DownloadAnswer, Subscriber, SubscriptionCall, UploadBody, UploadCall } from "./call.ts";
import { limitCall } from "./rate-classes.ts";
import { hashRequest } from "./request-hash.ts";

/** What a door knows of a call before the pipeline has seen it. */
export interface Request {
  area: string;
  name: string;
  /** Asked once the caller is known and within the limits: a body may be large. */
  readInput: () => unknown;
  /** The bearer token, where one was given. */
  token: string | undefined;
  address: string;
  requestId: string;
  idempotencyKey?: string | undefined;
  /** Where the events of a subscription go. */
  subscriber?: Subscriber<unknown> | undefined;
  /** The raw bytes of an upload. */
  body?: UploadBody | undefined;
}

type AnyCall = SubscriptionCall<Caller | null, unknown> & Partial<Pick<UploadCall, "body">>;
type AnyHandler = (call: AnyCall, input: unknown) => Promise<unknown> | Disposable;

/** The one way into a procedure: authenticate → limit → parse → service. Errors are mapped by the door. */
export async function runProcedure(app: App, request: Request): Promise<unknown> {
  const { procedure, handler } = findProcedure(request.area, request.name);
  const caller = await requireAccess(app, procedure, request);
  await limitCall(app, procedure.limit, { caller, address: request.address });
  const input = parseInput(procedure.input, await request.readInput());
  const call: AnyCall = { app, caller, requestId: request.requestId, address: request.address };
  if (request.subscriber) call.subscriber = request.subscriber;
  let { body } = request;
  if (procedure.creates && request.idempotencyKey) {
    const hashed = hashRequest({ area: request.area, name: request.name, input }, body);
    body = hashed.body;
    call.idempotency = { key: request.idempotencyKey, hashRequest: hashed.digest };
  }
  if (body) call.body = body;
  return handler(call, input);
}

/** The same for a procedure whose kind is `download`: `handlers.ts` proves that it answers one. */
export async function runDownload(app: App, request: Request): Promise<DownloadAnswer<unknown>> {
  return (await runProcedure(app, request)) as DownloadAnswer<unknown>;
}

/** The same for one whose kind is `subscription`. */
export async function runSubscription(app: App, request: Request): Promise<Disposable> {
  return (await runProcedure(app, request)) as Disposable;
}

/** Narrowing the caller by the contract's `access` is what `requireAccess` does; the types cannot follow it. */
function findProcedure(area: string, name: string): { procedure: Procedure; handler: AnyHandler } {
  const procedures: Record<string, Record<string, Procedure>> = contract;
  const table: Record<string, Record<string, unknown>> = handlers;
  const procedure = procedures[area]?.[name];
  const handler = table[area]?.[name];
  if (!procedure || typeof handler !== "function") throw new AppError("ROUTE_NOT_FOUND");
  return { procedure, handler: handler as AnyHandler };
}

async function requireAccess(app: App, procedure: Procedure, request: Request): Promise<Caller | null> {
  if (procedure.access === "public") return null;
  const caller = await authenticate(app, request.token);
  if (procedure.access === "device" && !caller.deviceId) throw new AppError("DEVICE_REQUIRED");
  return caller;
}

function parseInput(schema: Procedure["input"], rawInput: unknown): unknown {
  const parsed = schema.safeParse(rawInput ?? {});
  if (parsed.success) return parsed.data;
  throw new AppError("VALIDATION_FAILED", {
    issues: parsed.error.issues.slice(0, maxIssues).map((issue) => ({
      loc: issue.path.map((part) => (typeof part === "symbol" ? String(part) : part)),
      msg: issue.message,
      type: issue.message.endsWith("received undefined") ? "missing" : issue.code,
    })),
  });
}

const maxIssues = 20;
