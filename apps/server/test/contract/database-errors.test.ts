import { once } from "node:events";
import { afterAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { createLog } from "../../src/log.ts";
import { randomPhone, signIn, type Json } from "../rest-client.ts";
import { runSql } from "../sql.ts";
import { startTestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";
import { rest } from "./described-rest.ts";
import { newPair, newPerson } from "./people.ts";

const lines: string[] = [];
const server = await startTestServer({ log: createLog("trace", { write: (line) => void lines.push(line) }) });
afterAll(() => server[Symbol.asyncDispose]());

const secretText = "ciphertext-that-nobody-logs";
const otp = "wrong-code-4711";
const [ada, bob] = await newPair(server.url);
const late = await newPerson(server.url, "late", bob.phone);

/** What a database says when a statement fails, and what our sources are called. */
const leaks =
  /select|insert|relation|column|constraint|violates|postgres|kysely|node_modules|\.ts|\n\s*at |messages_|otp_|sessions/i;

function expectBlank(text: string): void {
  expect(text.replaceAll(/"(path|requestId)":"[^"]*"/g, "")).not.toMatch(leaks);
  expect(text).not.toContain(secretText);
}

/** Breaks a statement for as long as `work` runs. */
async function whileBroken<T>(
  statement: { breaking: string; mending: string },
  work: () => Promise<T>,
): Promise<T> {
  await runSql(server.database.url, statement.breaking);
  try {
    return await work();
  } finally {
    await runSql(server.database.url, statement.mending);
  }
}

/** Each fails a send: one names a column, the other's detail holds the whole row. */
const breakages = {
  "a renamed column": {
    breaking: "ALTER TABLE messages RENAME ciphertext TO renamed",
    mending: "ALTER TABLE messages RENAME renamed TO ciphertext",
  },
  "a broken check": {
    breaking: "ALTER TABLE messages ADD CONSTRAINT never CHECK (ciphertext = '') NOT VALID",
    mending: "ALTER TABLE messages DROP CONSTRAINT never",
  },
};

const input = { recipientUserId: bob.id, senderDeviceId: "phone", ciphertext: secretText };

async function openTrpcSocket(token: string): Promise<WebSocket> {
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/trpc?connectionParams=1`);
  await once(socket, "open");
  socket.send(JSON.stringify({ method: "connectionParams", data: { token } }));
  return socket;
}

describe.each(Object.entries(breakages))("%s", (_, breakage) => {
  test("is on REST an Internal Server Error and nothing more", async () => {
    const answer = await whileBroken(breakage, () =>
      rest(server.url, "POST /messages/send", {
        token: ada.token,
        body: { recipient_user_id: bob.id, sender_device_id: "phone", ciphertext: secretText },
        headers: { "x-request-id": "rest-request" },
      }),
    );
    expect(answer.status).toBe(500);
    expect(answer.body).toEqual({ detail: "Internal Server Error" });
    expect(answer.headers.get("x-request-id")).toBe("rest-request");
    expectLogged("rest-request");
  });

  test("is on tRPC over HTTP the code INTERNAL", async () => {
    const text = await whileBroken(breakage, async () => {
      const response = await fetch(`${server.url}/trpc/messages.send`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${ada.token}`,
          "content-type": "application/json",
          "x-request-id": "trpc-request",
        },
        body: JSON.stringify(input),
      });
      expect(response.status).toBe(500);
      return response.text();
    });
    const { error } = JSON.parse(text) as { error: Json & { data: Json } };
    expect(error["message"]).toBe("Internal Server Error");
    expect(error.data["sotto"]).toEqual({ code: "INTERNAL", requestId: "trpc-request" });
    expectBlank(text);
    expectLogged("trpc-request");
  });

  test("is on tRPC over WebSocket the code INTERNAL", async () => {
    await using stack = new AsyncDisposableStack();
    const socket = await openTrpcSocket(ada.token);
    stack.defer(() => socket.terminate());
    const text = await whileBroken(breakage, async () => {
      socket.send(JSON.stringify({ id: 1, method: "mutation", params: { path: "messages.send", input } }));
      const [data] = (await once(socket, "message")) as [Buffer];
      return data.toString();
    });
    const { error } = JSON.parse(text) as { error: Json & { data: Json } };
    expect(error["message"]).toBe("Internal Server Error");
    expect(error.data["sotto"]).toMatchObject({ code: "INTERNAL" });
    expectBlank(text);
  });
});

function expectLogged(requestId: string): void {
  const entries = lines.map((line) => JSON.parse(line) as Json);
  const logged = entries.filter(
    (entry) => entry["requestId"] === requestId && entry["level"] === "error" && entry["err"],
  );
  expect(logged.length).toBeGreaterThan(0);
  for (const { err } of logged) expect(JSON.stringify(err)).toMatch(/"code":"(42703|23514)"/);
}

test("a backlog that cannot be read closes /ws, and the client may come back", async () => {
  await rest(server.url, "POST /messages/send", {
    token: ada.token,
    body: { recipient_user_id: bob.id, sender_device_id: "phone", ciphertext: secretText },
  });
  await whileBroken(breakages["a renamed column"], async () => {
    await using client = new WsClient(server.url, { token: late.token, resume: true });
    expect([1011, 1013]).toContain(await client.closed);
    expectBlank(JSON.stringify(client.frames));
  });
  await using again = await WsClient.connect(server.url, { token: late.token, resume: true });
  await again.next("message");
});

test("a token that cannot be looked up is not called bad", async () => {
  const fresh = await signIn(server.url);
  const breakage = {
    breaking: "ALTER TABLE sessions RENAME TO gone",
    mending: "ALTER TABLE gone RENAME TO sessions",
  };
  await whileBroken(breakage, async () => {
    await using client = new WsClient(server.url, { token: fresh.token });
    expect(await client.closed).toBe(1011);
    const socket = await openTrpcSocket(fresh.token);
    const [code] = (await once(socket, "close")) as [number];
    expect(code).toBe(1011);
    const answer = await rest(server.url, "GET /keys/me", { token: fresh.token });
    expect(answer.body).toEqual({ detail: "Internal Server Error" });
  });
  expect((await rest(server.url, "GET /keys/me", { token: fresh.token })).status).toBe(200);
});

test("codes and numbers of a failed verification are in no answer and no log", async () => {
  const phone = randomPhone();
  await rest(server.url, "POST /auth/request_otp", { body: { phone } });
  const breakage = {
    breaking: "ALTER TABLE otp_locks ADD CONSTRAINT never CHECK (phone = '') NOT VALID",
    mending: "ALTER TABLE otp_locks DROP CONSTRAINT never",
  };
  const answer = await whileBroken(breakage, () =>
    rest(server.url, "POST /auth/verify_otp", {
      body: { phone, otp },
      headers: { "x-request-id": "otp-request" },
    }),
  );
  expect(answer.body).toEqual({ detail: "Internal Server Error" });
  expectLogged("otp-request");
  const log = lines.join("");
  expect(log).not.toContain(phone);
  expect(log).not.toContain(otp);
});

test("the log holds no number, ciphertext, token or code of anybody", () => {
  const log = lines.join("");
  expect(log.length).toBeGreaterThan(1000);
  for (const { phone, token } of [ada, bob, late]) {
    expect(log).not.toContain(phone);
    expect(log).not.toContain(phone.slice(1));
    expect(log).not.toContain(token);
    expect(log).not.toContain(token.split(".")[2]);
  }
  expect(log).not.toContain(secretText);
  expect(log).not.toContain("123456");
});
