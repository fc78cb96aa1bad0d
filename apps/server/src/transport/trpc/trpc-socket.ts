import type { IncomingMessage } from "node:http";
import { callTRPCProcedure, getTRPCErrorFromUnknown, getTRPCErrorShape, TRPCError } from "@trpc/server";
import type { RawData } from "ws";
import type { App } from "../../app.ts";
import { AppError } from "../../errors.ts";
import { authenticate } from "../../modules/accounts/authenticate.ts";
import { closeCodes } from "../../modules/sync/hub.ts";
import { addressOf, bearerTokenOf, requestIdOf, targetOf } from "../http-context.ts";
import type { ServerSocket, SocketHandler } from "../ws/server-socket.ts";
import { admitSocket, closeOf, closeSocket, type AdmittedSocket } from "../ws/sockets.ts";
import { maxBatchSize } from "./trpc-door.ts";
import { parseConnectionParams, parseFrame, parseMessage, type Message } from "./trpc-messages.ts";
import { openSubscription, type TrpcContext, type TrpcRouter } from "./trpc-router.ts";
import { TrpcSubscription } from "./trpc-subscription.ts";

/** A socket that has not shown a token by then is closed. */
const authenticationMs = 10_000;

/** What an answer names of the message that it answers. */
interface Asked {
  id: Message["id"];
  jsonrpc?: Message["jsonrpc"] | undefined;
}
type Call = Exclude<Message, { method: "subscription.stop" }>;
/** What an error tells of the call that it answers. */
interface Failed extends Asked {
  method?: Call["method"] | "unknown";
  params?: Call["params"];
}

/**
 * One socket of tRPC's protocol (https://trpc.io/docs/rpc), as the official client speaks it: one verified
 * token, for as long as that is good. tRPC's own adapter takes three times the memory (ADR 0021).
 */
export class TrpcSocket implements SocketHandler {
  readonly #app: App;
  readonly #router: TrpcRouter;
  readonly #socket: ServerSocket;
  readonly #context: TrpcContext;
  /** Until it has shown a token. */
  #deadline: NodeJS.Timeout | undefined;
  /** Resolves with whether the token is good; undefined while it is to come. */
  #authenticated: Promise<boolean> | undefined;
  #admitted: AdmittedSocket | undefined;
  #subscriptions: readonly TrpcSubscription[] = none;

  constructor(parts: { app: App; router: TrpcRouter; socket: ServerSocket; request: IncomingMessage }) {
    const { app, router, socket, request } = parts;
    this.#app = app;
    this.#router = router;
    this.#socket = socket;
    const token = bearerTokenOf(request);
    this.#context = { token, address: addressOf(request), requestId: requestIdOf(request), door: "trpc_ws" };
    if (targetOf(request)?.searchParams.get("connectionParams") !== "1") this.#authenticated = this.#admit();
    else
      this.#deadline = setTimeout(() => this.#close(closeCodes.tryLater, "no token came"), authenticationMs);
  }

  receive(data: RawData, isBinary: boolean): void {
    const text = isBinary || !Buffer.isBuffer(data) ? undefined : data.toString();
    if (text === "PONG") return;
    if (text === "PING") return this.#socket.send("PONG");
    try {
      if (!this.#authenticated) return this.#takeParams(text);
      const messages = this.#parse(text);
      for (const [index, message] of messages.entries()) void this.#handle(message, index);
    } catch (error) {
      this.#fail({ id: null }, error);
    }
  }

  ping(): void {
    this.#socket.send("PING");
  }

  closed(): void {
    clearTimeout(this.#deadline);
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    this.#subscriptions = none;
    this.#admitted?.release();
  }

  #close(code: number, reason: string): void {
    closeSocket(this.#app, this.#socket, code, reason);
  }

  #takeParams(text: string | undefined): void {
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
    try {
      this.#context.token = parseConnectionParams(text)["token"] ?? this.#context.token;
    } catch (error) {
      this.#fail({ id: null }, error);
      this.#socket.close();
      return;
    }
    this.#authenticated = this.#admit();
  }

  async #admit(): Promise<boolean> {
    try {
      const caller = await this.#app.socketReads.run(() => authenticate(this.#app, this.#context.token));
      this.#admitted = admitSocket(this.#app, caller);
      this.#admitted.bind(this.#socket);
      // It may have gone meanwhile.
      if (this.#socket.readyState !== this.#socket.OPEN) this.closed();
      return true;
    } catch (error) {
      this.#close(...trpcCloseOf(error));
      return false;
    }
  }

  #parse(text: string | undefined): Message[] {
    const { messages, isBatch } = parseFrame(text);
    if (!isBatch || messages.length <= maxBatchSize) return messages.map(parseMessage);
    const error = new TRPCError({ code: "BAD_REQUEST", message: "Batch call exceeds maximum size" });
    const ids = messages.flatMap(idOf);
    for (const id of ids.length > 0 ? ids : [null]) this.#fail({ id }, error);
    return [];
  }

  async #handle(message: Message, batchIndex: number): Promise<void> {
    const { id, jsonrpc } = message;
    if (id === null) {
      const error = new TRPCError({ code: "PARSE_ERROR", message: "`id` is required" });
      return this.#fail({ id, jsonrpc }, error);
    }
    if (message.method === "subscription.stop") return this.#stop(id);
    try {
      if (message.method === "subscription") await this.#subscribe(message);
      else await this.#call(message, batchIndex);
    } catch (error) {
      this.#fail(message, error);
    }
  }

  async #call({ id, jsonrpc, method: type, params }: Call, batchIndex: number): Promise<void> {
    if (!(await this.#authenticated)) return;
    const data: unknown = await callTRPCProcedure({
      router: this.#router,
      path: params.path,
      getRawInput: async () => params.input,
      ctx: this.#context,
      type,
      signal: undefined,
      batchIndex,
    });
    this.#send({ id, jsonrpc }, { result: { type: "data", data } });
  }

  async #subscribe({ id, jsonrpc, params }: Call): Promise<void> {
    if (this.#subscriptions.some((other) => other.id === id)) {
      throw new TRPCError({ code: "BAD_REQUEST", message: `Duplicate id ${id}` });
    }
    const subscription = new TrpcSubscription(id, (result) => this.#send({ id, jsonrpc }, { result }));
    this.#subscriptions = [...this.#subscriptions, subscription];
    try {
      if (!(await this.#authenticated) || !this.#admitted || subscription.isEnded) return;
      const { path, input } = params;
      const subscriber = { socket: this.#admitted, send: (event: unknown) => subscription.send(event) };
      subscription.start(await openSubscription(this.#app, path, { ctx: this.#context, input, subscriber }));
    } catch (error) {
      this.#forget(subscription);
      if (!subscription.isEnded) throw error;
    }
  }

  #stop(id: Message["id"]): void {
    const subscription = this.#subscriptions.find((other) => other.id === id);
    if (!subscription) return;
    this.#forget(subscription);
    subscription.stop();
  }

  #forget(subscription: TrpcSubscription): void {
    this.#subscriptions = this.#subscriptions.filter((other) => other !== subscription);
  }

  #fail({ id, jsonrpc, method = "unknown", params }: Failed, cause: unknown): void {
    const error = getTRPCErrorFromUnknown(cause);
    const { path, input } = params ?? {};
    const config = this.#router._def._config;
    const ctx = this.#admitted ? this.#context : undefined;
    this.#send(
      { id, jsonrpc },
      { error: getTRPCErrorShape({ config, ctx, error, type: method, path, input }) },
    );
  }

  #send({ id, jsonrpc }: Asked, answer: { result: unknown } | { error: unknown }): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#socket.send(JSON.stringify({ id, jsonrpc, ...answer }));
  }
}

const none: readonly TrpcSubscription[] = [];

/** Where an answer to a message of a batch goes, if it awaits one. */
function idOf(message: unknown): (number | string)[] {
  if (typeof message !== "object" || message === null || !("id" in message)) return [];
  if ("method" in message && message.method === "subscription.stop") return [];
  return typeof message.id === "number" || typeof message.id === "string" ? [message.id] : [];
}

/** The SDK is told that its device was removed; on the plain `/ws` that is a bad token like others. */
function trpcCloseOf(error: unknown): [code: number, reason: string] {
  const isRemoved = error instanceof AppError && error.code === "TOKEN_DEVICE_REMOVED";
  return isRemoved ? [closeCodes.deviceRemoved, "device removed"] : closeOf(error);
}
