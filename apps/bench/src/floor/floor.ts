// The floor: what `node:http`, `ws` and `pg` cost by themselves for the same routes. It commits before it answers; it
// checks nothing. The bearer token is the user's id itself. Never run it anywhere else.
import { createHash, randomUUIDv7 } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Pool, types, type QueryResultRow } from "pg";
import { WebSocketServer, type WebSocket } from "ws";
import { floorStatements } from "./statements.ts";

const pool = new Pool({ connectionString: process.env["DB_URL"], max: 16 });
types.setTypeParser(types.builtins.INT8, Number);

async function run<T extends QueryResultRow>(
  name: keyof typeof floorStatements,
  values: unknown[],
): Promise<T[]> {
  return (await pool.query<T>({ name, text: floorStatements[name], values })).rows;
}

const sockets = new Map<string, Set<WebSocket>>();
const rosters = new Map<string, string[]>();

interface SendBody {
  recipient_user_id?: string;
  conversation_id?: string;
  sender_device_id: string;
  ciphertext: string;
  client_message_id?: string;
}

interface Stored extends QueryResultRow {
  conversation_id: string;
  seq: number;
  sent_at: Date;
}

async function store(sender: string, body: SendBody) {
  const id = randomUUIDv7();
  const dedupeKey = body.client_message_id
    ? createHash("sha256").update(`${sender}${body.client_message_id}`).digest("hex").slice(0, 32)
    : null;
  const values = [id, sender, body.sender_device_id, dedupeKey, new Date(), body.ciphertext];
  const { recipient_user_id: peer, conversation_id: group = "" } = body;
  const [stored] = peer
    ? await run<Stored>("sendToPair", [...values, ...[sender, peer].toSorted()])
    : await run<Stored>("sendToGroup", [...values, group]);
  if (!stored) throw new Error("No such conversation");
  const message = {
    id,
    conversation_id: stored.conversation_id,
    sender_user_id: sender,
    sender_device_id: body.sender_device_id,
    recipient_user_id: peer ?? sender,
    ciphertext: body.ciphertext,
    wrap: null,
    delivered: false,
    read: false,
    sent_at: stored.sent_at.toISOString(),
  };
  return { message, seq: stored.seq };
}

function publish(users: readonly string[], { message, seq }: Awaited<ReturnType<typeof store>>): void {
  const frame = JSON.stringify({ type: "message", message, log: message.conversation_id, seq });
  for (const user of users) {
    if (user === message.sender_user_id) continue;
    for (const socket of sockets.get(user) ?? []) socket.send(frame);
  }
}

async function membersOf(group: string): Promise<string[]> {
  const known = rosters.get(group);
  if (known) return known;
  const members = (await run<{ user_id: string }>("members", [group])).map(({ user_id }) => user_id);
  rosters.set(group, members);
  return members;
}

async function answer(request: IncomingMessage): Promise<unknown> {
  const sender = request.headers.authorization?.slice("Bearer ".length) ?? "";
  const { pathname, searchParams } = new URL(request.url ?? "", "http://floor");
  switch (`${request.method} ${pathname}`) {
    case "POST /messages/send": {
      const body = await readBody(request);
      const stored = await store(sender, body);
      publish([body.recipient_user_id ?? ""], stored);
      return stored.message;
    }
    case "POST /messages/send_group": {
      const body = await readBody(request);
      const stored = await store(sender, body);
      publish(await membersOf(stored.message.conversation_id), stored);
      return { detail: "ok", message_ids: [stored.message.id] };
    }
    case "GET /messages/inbox":
      return { messages: await run("inbox", [sender, Number(searchParams.get("limit") ?? 200)]) };
    case "GET /messages/history": {
      const limit = Number(searchParams.get("limit") ?? 50);
      return { messages: await run("history", [searchParams.get("conversation_id"), limit]) };
    }
    case "GET /health":
      await run("health", []);
      return { status: "ok" };
    default:
      throw new Error("No such route");
  }
}

async function readBody(request: IncomingMessage): Promise<SendBody> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as SendBody;
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}

const server = createServer((request, response) => {
  answer(request).then(
    (body) => reply(response, 200, body),
    (error: unknown) => reply(response, 500, { detail: String(error) }),
  );
});
const webSockets = new WebSocketServer({
  server,
  path: "/ws",
  perMessageDeflate: false,
  clientTracking: false,
});
webSockets.on("connection", (socket, request) => {
  const user = new URL(request.url ?? "", "http://floor").searchParams.get("token") ?? "";
  const own = sockets.get(user) ?? new Set();
  sockets.set(user, own.add(socket));
  socket.on("close", () => own.delete(socket));
  socket.on("error", () => {});
});
server.listen(Number(process.env["APP_PORT"]), "127.0.0.1");
