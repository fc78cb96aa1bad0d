import { rest, type Person, type RestAnswer } from "./rest-client.ts";
import { startTestServer, type TestServer } from "./test-server.ts";

/** Two processes' worth of server on one database: no lock of a process helps. */
export interface TwoServers extends AsyncDisposable {
  server: TestServer;
  url: string;
  other: TestServer;
  /** The i-th call, on the one server or the other. */
  call: (i: number, actor: Person, route: string, body?: unknown) => Promise<RestAnswer>;
}

export async function startTwoServers(): Promise<TwoServers> {
  const server = await startTestServer();
  const other = await startTestServer({ database: server.database });
  return {
    server,
    url: server.url,
    other,
    call: (i, actor, route, body) =>
      rest((i % 2 ? other : server).url, route, {
        token: actor.token,
        ...(body === undefined ? {} : { body }),
      }),
    [Symbol.asyncDispose]: async () => {
      await other[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}
