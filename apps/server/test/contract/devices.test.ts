import { afterAll, describe, expect, test } from "vitest";
import { runSql } from "../sql.ts";
import { signIn, signInWithDevice, type RestAnswer } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { unknownId } from "./contract-routes.ts";
import { listOf, outcome, placesOf, rest } from "./described-rest.ts";
import { aTime, aUuidV7 } from "./shapes.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());

const publish = (token: string, body: object, headers = {}): Promise<RestAnswer> =>
  rest(server.url, "POST /keys/publish", { token, body, headers });
const listMine = async (token: string) => listOf(await rest(server.url, "GET /keys/me", { token }));
const tooMany = { status: 409, detail: "Too many devices" };
const notFound = { status: 404, detail: "Device not found" };

describe("POST /keys/publish", () => {
  test("gives the device back, without its push token", async () => {
    const { token } = await signIn(server.url);
    const body = { device_id: "phone", public_key: "pk", device_name: "Ada's phone", push_token: "secret" };
    const { status, body: device } = await publish(token, body);
    expect(status).toBe(200);
    expect(device).toEqual({
      device_id: "phone",
      public_key: "pk",
      device_name: "Ada's phone",
      created_at: aTime,
    });
    expect(await listMine(token)).toEqual([device]);
  });

  test("makes the id where none is given, and takes null for what is optional", async () => {
    const { token } = await signIn(server.url);
    const bare = await publish(token, { public_key: "pk" });
    const nulls = await publish(token, {
      public_key: "pk",
      device_id: null,
      device_name: null,
      push_token: null,
    });
    for (const { body } of [bare, nulls])
      expect(body).toMatchObject({ device_id: aUuidV7, device_name: null });
    expect(bare.body["device_id"]).not.toBe(nulls.body["device_id"]);
  });

  test("publishing again updates the device, and keeps what is not given", async () => {
    const { token } = await signIn(server.url);
    const first = await publish(token, { device_id: "d", public_key: "old", device_name: "kept" });
    const again = await publish(token, { device_id: "d", public_key: "new" });
    expect(again.body).toEqual({ ...first.body, public_key: "new" });
    const renamed = await publish(token, { device_id: "d", public_key: "new", device_name: "other" });
    expect(await listMine(token)).toEqual([{ ...first.body, public_key: "new", device_name: "other" }]);
    expect(renamed.body["created_at"]).toBe(first.body["created_at"]);
  });

  test("the same moment twice makes one device", async () => {
    const { token } = await signIn(server.url);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => publish(token, { device_id: "d", public_key: "pk" })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(await listMine(token)).toHaveLength(1);
  });

  test("device ids are per user, and of any characters that are seen", async () => {
    const [ada, bob] = [await signIn(server.url), await signIn(server.url)];
    const ids = ["d", "x".repeat(64), "a/b?c#d%e", "Größe 📱", "..", "me"];
    for (const device_id of ids) {
      for (const { token } of [ada, bob]) {
        expect((await publish(token, { device_id, public_key: "pk" })).status).toBe(200);
      }
    }
    for (const id of ids.filter((each) => each !== "..")) {
      const removed = await rest(server.url, `DELETE /keys/devices/${encodeURIComponent(id)}`, {
        token: (await signIn(server.url, ada.phone)).token,
      });
      expect(removed.status, id).toBe(200);
    }
    expect(await listMine(bob.token)).toHaveLength(ids.length);
  });

  test.each([
    [{}, ["body.public_key"]],
    [{ public_key: null }, ["body.public_key"]],
    [{ public_key: "" }, ["body.public_key"]],
    [{ public_key: 5 }, ["body.public_key"]],
    [{ public_key: "k".repeat(16_385) }, ["body.public_key"]],
    [{ public_key: "a\0b" }, ["body.public_key"]],
    [{ public_key: "\ud800" }, ["body.public_key"]],
    [{ public_key: "pk", device_id: "" }, ["body.device_id"]],
    [{ public_key: "pk", device_id: "x".repeat(65) }, ["body.device_id"]],
    [{ public_key: "pk", device_id: "a\nb" }, ["body.device_id"]],
    [{ public_key: "pk", device_id: "\udfff" }, ["body.device_id"]],
    [{ public_key: "pk", device_id: 7 }, ["body.device_id"]],
    [{ public_key: "pk", device_name: "n".repeat(129) }, ["body.device_name"]],
    [{ public_key: "pk", push_token: "n".repeat(4097) }, ["body.push_token"]],
    [{ device_id: "", device_name: 1 }, ["body.device_id", "body.device_name", "body.public_key"]],
  ])("calls %j malformed", async (body, places) => {
    const { token } = await signIn(server.url);
    expect(placesOf(await publish(token, body)).toSorted()).toEqual(places);
  });

  test("a user has at most 32 devices, also when they come at once", async () => {
    const { token } = await signIn(server.url);
    const answers = await Promise.all(
      Array.from({ length: 34 }, (_, i) => publish(token, { device_id: `d${i}`, public_key: "pk" })),
    );
    const refused = answers.filter(({ status }) => status !== 200);
    expect(refused.map(outcome)).toEqual([tooMany, tooMany]);
    const [known] = await listMine(token);
    expect((await publish(token, { device_id: known?.["device_id"], public_key: "new" })).status).toBe(200);
  });

  test("honours Idempotency-Key, also for an id that it made", async () => {
    const { token } = await signIn(server.url);
    const headers = { "idempotency-key": "once" };
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => publish(token, { public_key: "pk" }, headers)),
    );
    for (const answer of answers) expect(answer.body).toEqual(answers[0]?.body);
    expect(await listMine(token)).toHaveLength(1);
    expect(outcome(await publish(token, { public_key: "other" }, headers))).toEqual({
      status: 409,
      detail: "Idempotency-Key was used for another request",
    });
  });
});

describe("GET /keys/{user_id}", () => {
  test("lists a user's devices, oldest first, to anybody who is signed in", async () => {
    const ada = await signIn(server.url);
    for (const device_id of ["z", "m", "a"]) await publish(ada.token, { device_id, public_key: device_id });
    const bob = await signIn(server.url);
    const devices = listOf(await rest(server.url, `GET /keys/${ada.id}`, { token: bob.token }));
    expect(devices.map((device) => device["device_id"])).toEqual(["z", "m", "a"]);
    expect(devices).toEqual(await listMine(ada.token));
  });

  test("is empty for a user without devices and for an unknown one", async () => {
    const { token, id } = await signIn(server.url);
    expect(listOf(await rest(server.url, `GET /keys/${id}`, { token }))).toEqual([]);
    expect(listOf(await rest(server.url, `GET /keys/${unknownId}`, { token }))).toEqual([]);
  });

  test.each(["abc", unknownId.toUpperCase().replace("0", "A"), "0", `${unknownId}0`])(
    "calls the id %j malformed",
    async (id) => {
      const { token } = await signIn(server.url);
      expect(placesOf(await rest(server.url, `GET /keys/${id}`, { token }))).toEqual(["path.user_id"]);
    },
  );
});

describe("PUT /keys/devices/{device_id}", () => {
  test("changes what is given, clears what is null, and may be repeated", async () => {
    const { token } = await signInWithDevice(server.url, "d");
    const put = (body?: object): Promise<RestAnswer> =>
      rest(server.url, "PUT /keys/devices/d", { token, body });
    for (let i = 0; i < 2; i++)
      expect((await put({ device_name: "n", push_token: "p" })).body).toEqual({ detail: "ok" });
    expect(await listMine(token)).toMatchObject([{ device_name: "n" }]);
    expect((await put()).status).toBe(200);
    expect(await listMine(token)).toMatchObject([{ device_name: "n" }]);
    await put({ device_name: null });
    expect(await listMine(token)).toMatchObject([{ device_name: null }]);
  });

  test("a foreign or unknown device does not exist", async () => {
    const ada = await signInWithDevice(server.url, "ada-only");
    const bob = await signInWithDevice(server.url, "bob-only");
    for (const id of ["ada-only", "nobody's"]) {
      const answer = await rest(server.url, `PUT /keys/devices/${id}`, {
        token: bob.token,
        body: { device_name: "mine now" },
      });
      expect(outcome(answer)).toEqual(notFound);
    }
    expect(await listMine(ada.token)).toMatchObject([{ device_name: null }]);
  });

  test("calls a bad name and a bad path malformed", async () => {
    const { token } = await signInWithDevice(server.url, "d");
    const put = (id: string, body: object): Promise<RestAnswer> =>
      rest(server.url, `PUT /keys/devices/${id}`, { token, body });
    expect(placesOf(await put("d", { device_name: 1 }))).toEqual(["body.device_name"]);
    expect(placesOf(await put("x".repeat(65), {}))).toEqual(["path.device_id"]);
    expect(placesOf(await put("a%00b", {}))).toEqual(["path.device_id"]);
  });
});

describe("DELETE /keys/devices/{device_id}", () => {
  test("removes the device and ends the tokens that published it", async () => {
    const phone = await signInWithDevice(server.url, "phone");
    const laptop = await signInWithDevice(server.url, "laptop", phone.phone);
    const removed = await rest(server.url, "DELETE /keys/devices/phone", { token: laptop.token });
    expect(removed.body).toEqual({ detail: "ok" });
    expect(await listMine(laptop.token)).toMatchObject([{ device_id: "laptop" }]);
    const ended = await rest(server.url, "GET /keys/me", { token: phone.token });
    expect(outcome(ended)).toEqual({ status: 401, detail: "Invalid token" });
    const again = await rest(server.url, "DELETE /keys/devices/phone", { token: laptop.token });
    expect(outcome(again)).toEqual(notFound);
  });

  test("a token may remove its own device, and ends with it", async () => {
    const { token } = await signInWithDevice(server.url, "d");
    expect((await rest(server.url, "DELETE /keys/devices/d", { token })).status).toBe(200);
    expect((await rest(server.url, "GET /keys/me", { token })).status).toBe(401);
  });

  test("a foreign device does not exist", async () => {
    const ada = await signInWithDevice(server.url, "ada's");
    const bob = await signIn(server.url);
    const answer = await rest(server.url, "DELETE /keys/devices/ada's", { token: bob.token });
    expect(outcome(answer)).toEqual(notFound);
    expect(await listMine(ada.token)).toHaveLength(1);
  });
});

describe("presence", () => {
  test("is unknown for strangers that are not there, and dated by a ping", async () => {
    const ada = await signIn(server.url);
    const bob = await signIn(server.url);
    const see = (id: string): Promise<RestAnswer> =>
      rest(server.url, `GET /presence/${id}`, { token: bob.token });
    for (const id of [unknownId, ada.id]) {
      expect((await see(id)).body).toEqual({ user_id: id, online: false, last_seen: null });
    }
    const pinged = await rest(server.url, "POST /presence/ping", { token: ada.token });
    expect(pinged.body).toEqual({ user_id: ada.id, online: false, last_seen: aTime });
    expect((await see(ada.id)).body).toEqual(pinged.body);
    expect(placesOf(await see("nobody"))).toEqual(["path.user_id"]);
  });
});

test("push tokens are in no answer", async () => {
  const { token, id } = await signIn(server.url);
  const secret = "push-token-that-must-not-come-back";
  const answers = [
    await publish(token, { device_id: "d", public_key: "pk", push_token: secret }),
    await rest(server.url, "PUT /keys/devices/d", { token, body: { push_token: secret } }),
    await rest(server.url, "GET /keys/me", { token }),
    await rest(server.url, `GET /keys/${id}`, { token }),
  ];
  for (const { status, body } of answers) {
    expect(status).toBe(200);
    expect(JSON.stringify(body)).not.toContain("push");
  }
  // It is there: the test would else prove nothing.
  await runSql(
    server.database.url,
    `DO $$ BEGIN ASSERT (SELECT count(*) FROM devices WHERE push_token = '${secret}') = 1; END $$`,
  );
});
