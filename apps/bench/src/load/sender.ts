import { HttpConnection } from "./http-connection.ts";
import { sendInput, sendRequest, tokenFor, type Door, type Target } from "./target.ts";
import { WsReader } from "./ws-reader.ts";

type Destination = { person: number } | { group: string };

/** One client that sends one message at a time. */
export interface Sender extends Disposable {
  /** Resolves with the answer's HTTP status, once it is committed. */
  send(person: number, to: Destination, ciphertext: string): Promise<number>;
}

export async function openSender(target: Target, door: Door): Promise<Sender> {
  if (door === "trpc-ws") return openSocketsSender(target);
  const connection = await HttpConnection.open(target.url);
  const tokens = new Map<number, string>();
  return {
    send: async (from, to, ciphertext) => {
      const token = tokens.get(from) ?? tokenFor(target, from);
      tokens.set(from, token);
      return (await connection.request(sendRequest(door, token, { to, ciphertext }))).status;
    },
    [Symbol.dispose]: () => connection[Symbol.dispose](),
  };
}

/** A socket is one person's, and may bring 200 frames a second: each that is sent as gets one. */
function openSocketsSender(target: Target): Sender {
  const sockets = new Map<number, Promise<Sender>>();
  return {
    send: async (from, to, ciphertext) => {
      const socket = sockets.get(from) ?? openSocketSender(target, from);
      sockets.set(from, socket);
      return (await socket).send(from, to, ciphertext);
    },
    [Symbol.dispose]: () => {
      for (const socket of sockets.values()) void socket.then((open) => open[Symbol.dispose]());
    },
  };
}

/** Mutations as the official client writes them (JSON-RPC of tRPC 11); the socket belongs to one person. */
async function openSocketSender(target: Target, person: number): Promise<Sender> {
  let pending: PromiseWithResolvers<number> | undefined;
  const socket = await WsReader.open({
    url: target.url,
    path: "/trpc?connectionParams=1",
    onText: (payload) => {
      const answer = JSON.parse(payload.toString()) as { error?: { data: { httpStatus: number } } };
      pending?.resolve(answer.error?.data.httpStatus ?? 200);
    },
  });
  void socket.closed.then((code) => pending?.reject(new Error(`The socket was closed with ${code}`)));
  const data = { token: tokenFor(target, person) };
  socket.send(JSON.stringify({ method: "connectionParams", data }));
  let id = 0;
  return {
    send: (_, to, ciphertext) => {
      pending = Promise.withResolvers();
      const path = "group" in to ? "messages.sendGroup" : "messages.send";
      const params = { path, input: sendInput("trpc-ws", to, ciphertext) };
      socket.send(JSON.stringify({ id: ++id, method: "mutation", params }));
      return pending.promise;
    },
    [Symbol.dispose]: () => socket[Symbol.dispose](),
  };
}
