import { lookup, type LookupAddress } from "node:dns";
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import type { Config } from "../config.ts";
import { isLoopbackAddress, isPublicAddress } from "./addresses.ts";

/** More of an answer is not read. */
const maxAnswerBytes = 16_384;
const maxSocketsPerHost = 32;

export interface OutgoingRequest {
  headers: Record<string, string>;
  body: string | Uint8Array;
  timeoutMs: number;
  signal?: AbortSignal;
}

export interface OutgoingAnswer {
  status: number;
  /** At most its first 16 KiB. */
  text: string;
}

/** Posts to a URL that somebody configured. Rejects when there is no answer, or it may not be asked. */
export type Post = (url: string, request: OutgoingRequest) => Promise<OutgoingAnswer>;

/** The URL leads to where this server must not go. */
export class ForbiddenAddress extends Error {
  override readonly name = "ForbiddenAddress";
}

/**
 * Holds all requests to the rules against forged ones: https only, addresses of the public internet
 * only, looked at when the connection is made, so that a name cannot change its mind after a check;
 * redirects are not followed. With ENV=dev http and loopback are allowed.
 */
export function createPost(config: Config): Post & Disposable {
  const rules = {
    allowsHttp: config.isDev,
    allowsLoopback: config.isDev,
    privateHosts: new Set(config.OUTGOING_PRIVATE_HOSTS),
  };
  const agentOptions = { keepAlive: true, maxSockets: maxSocketsPerHost, lookup: createLookup(rules) };
  const agents = { http: new HttpAgent(agentOptions), https: new HttpsAgent(agentOptions) };
  const post: Post = async (url, request) => {
    const target = new URL(url);
    requireAllowed(target, rules);
    return target.protocol === "https:"
      ? send((done) => httpsRequest(target, { ...toOptions(request), agent: agents.https }, done), request)
      : send((done) => httpRequest(target, { ...toOptions(request), agent: agents.http }, done), request);
  };
  return Object.assign(post, {
    [Symbol.dispose]: () => {
      agents.http.destroy();
      agents.https.destroy();
    },
  });
}

interface Rules {
  allowsHttp: boolean;
  allowsLoopback: boolean;
  /** Hosts that the operator exempts from the rule on addresses. */
  privateHosts: ReadonlySet<string>;
}

/** A host that is an address is never looked up, so it is judged here; `URL` has made odd forms plain. */
function requireAllowed(target: URL, rules: Rules): void {
  if (target.protocol !== "https:" && !(rules.allowsHttp && target.protocol === "http:")) {
    throw new ForbiddenAddress(`Only https is allowed, not ${target.protocol}`);
  }
  const host = nameOf(target.hostname);
  if (isIP(host)) requireAddress(host, { host, rules });
}

function nameOf(host: string): string {
  return host
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "")
    .toLowerCase();
}

function requireAddress(address: string, { host, rules }: { host: string; rules: Rules }): void {
  if (isPublicAddress(address) || rules.privateHosts.has(nameOf(host))) return;
  if (rules.allowsLoopback && isLoopbackAddress(address)) return;
  throw new ForbiddenAddress(`${host} is no address of the public internet`);
}

/** Refuses a name if any of its addresses is forbidden. */
function createLookup(rules: Rules): LookupFunction {
  return (host, options, done) => {
    lookup(host, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error) return done(error, "");
      try {
        for (const { address } of addresses) requireAddress(address, { host, rules });
      } catch (refusal) {
        return done(refusal instanceof Error ? refusal : new Error("refused"), "");
      }
      const [first] = addresses;
      if (options.all || !first) return done(null, addresses);
      done(null, first.address, first.family);
    });
  };
}

function toOptions({ headers, body, timeoutMs, signal }: OutgoingRequest) {
  const timeout = AbortSignal.timeout(timeoutMs);
  return {
    method: "POST",
    headers: { ...headers, "content-length": String(Buffer.byteLength(body)) },
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  };
}

function send(
  open: (done: (answer: IncomingMessage) => void) => ReturnType<typeof httpRequest>,
  { body }: OutgoingRequest,
): Promise<OutgoingAnswer> {
  return new Promise((resolve, reject) => {
    const request = open((answer) => {
      readStart(answer).then((text) => resolve({ status: answer.statusCode ?? 0, text }), reject);
    });
    request.once("error", reject);
    request.end(body);
  });
}

/** Reads the first bytes of an answer; whoever sends more is cut off. */
async function readStart(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= maxAnswerBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, maxAnswerBytes).toString("utf8");
}
