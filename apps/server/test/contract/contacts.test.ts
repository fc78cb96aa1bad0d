import { afterAll, describe, expect, test } from "vitest";
import { runMaintenance } from "../../src/maintenance.ts";
import { randomPhone, type Json, type RestAnswer } from "../rest-client.ts";
import { runSql } from "../sql.ts";
import { startTestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";
import { listOf, outcome, placesOf, rest } from "./described-rest.ts";
import { newPair, newPerson } from "./people.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());

const addAt = (url: string, token: string, phone: unknown): Promise<RestAnswer> =>
  rest(url, "POST /contacts/add", { token, body: { phone } });
const add = (token: string, phone: unknown): Promise<RestAnswer> => addAt(server.url, token, phone);
const contactsOf = async (token: string): Promise<Json[]> =>
  listOf(await rest(server.url, "GET /contacts", { token }));

const ok = { detail: "ok" };
const notFound = { status: 404, detail: "Contact not found" };
const limited = { status: 429, detail: "Rate limit exceeded" };

describe("POST /contacts/add", () => {
  test("adds the user of a number, in order, and once", async () => {
    const [ada, bob] = await newPair(server.url);
    const eve = await newPerson(server.url);
    for (const phone of [bob.phone, eve.phone, bob.phone]) {
      const answer = await add(ada.token, phone);
      expect({ status: answer.status, body: answer.body }).toEqual({ status: 200, body: ok });
    }
    expect(await contactsOf(ada.token)).toEqual([
      { user_id: bob.id, phone: bob.phone, name: null },
      { user_id: eve.id, phone: eve.phone, name: null },
    ]);
    expect(await contactsOf(bob.token)).toEqual([]);
  });

  test("gives the name that the contact has chosen", async () => {
    const ada = await newPerson(server.url);
    const phone = randomPhone();
    await rest(server.url, "POST /auth/request_otp", { body: { phone } });
    await rest(server.url, "POST /auth/verify_otp", { body: { phone, otp: "123456", name: "Zoë" } });
    await add(ada.token, phone);
    expect(await contactsOf(ada.token)).toMatchObject([{ phone, name: "Zoë" }]);
  });

  test("refuses a number of nobody, one's own, and what is no number", async () => {
    const ada = await newPerson(server.url);
    expect(outcome(await add(ada.token, randomPhone()))).toEqual(notFound);
    expect(outcome(await add(ada.token, ada.phone))).toEqual({ status: 400, detail: "Cannot add self" });
    for (const phone of ["", "bob", "4915112345678", "+0", "+49 151 1234567", `${ada.phone}\0`]) {
      expect(outcome(await add(ada.token, phone)), phone).toEqual({ status: 400, detail: "Invalid phone" });
    }
    for (const phone of [undefined, null, 5, {}, "+".repeat(65)]) {
      expect(placesOf(await add(ada.token, phone))).toEqual(["body.phone"]);
    }
    expect(await contactsOf(ada.token)).toEqual([]);
  });

  test("a block either way changes nothing", async () => {
    const [ada, bob] = await newPair(server.url);
    for (const [by, of] of [
      [ada, bob],
      [bob, ada],
    ] as const) {
      await rest(server.url, `POST /blocks?blocked_user_id=${of.id}`, { token: by.token });
      expect((await add(ada.token, bob.phone)).body).toEqual(ok);
      expect((await add(bob.token, ada.phone)).body).toEqual(ok);
    }
    expect(await contactsOf(ada.token)).toHaveLength(1);
  });

  test("a user has at most 10,000", async () => {
    const [ada, bob] = await newPair(server.url);
    await runSql(
      server.database.url,
      `insert into contacts (user_id, contact_user_id, created_at)
       select '${ada.id}', gen_random_uuid(), now() from generate_series(1, 10000)`,
    );
    const refused = { status: 409, detail: "Too many contacts" };
    expect(outcome(await add(ada.token, bob.phone))).toEqual(refused);
    expect(outcome(await add(ada.token, bob.phone))).toEqual(refused);
    expect((await add(bob.token, ada.phone)).status).toBe(200);
  });

  test("is told to the user's own devices, once", async () => {
    const ada = await newPerson(server.url, "phone");
    const laptop = await newPerson(server.url, "laptop", ada.phone);
    const bob = await newPerson(server.url);
    await using socket = await WsClient.connect(server.url, { token: laptop.token, resume: true });
    await socket.next("caught_up");
    await add(ada.token, bob.phone);
    await add(ada.token, bob.phone);
    await rest(server.url, `POST /blocks?blocked_user_id=${bob.id}`, { token: ada.token });
    await socket.next("block");
    expect(socket.ofType("contact")).toMatchObject([{ action: "added", user_id: bob.id, log: ada.id }]);
  });
});

describe("looking numbers up is limited", () => {
  test("by different numbers a day: misses count, the same again does not", async () => {
    let clock = Date.now();
    await using small = await startTestServer({
      env: { CONTACT_NUMBERS_PER_DAY: "3" },
      now: () => new Date(clock),
    });
    const [ada, bob] = await newPair(small.url);
    const miss = randomPhone();
    for (const phone of [bob.phone, miss, bob.phone, miss, ada.phone, bob.phone]) {
      expect((await addAt(small.url, ada.token, phone)).status, phone).not.toBe(429);
    }
    const refused = await addAt(small.url, ada.token, randomPhone());
    expect(outcome(refused)).toEqual(limited);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(86_000);
    expect(outcome(await addAt(small.url, ada.token, miss))).toEqual(notFound);
    expect((await addAt(small.url, bob.token, ada.phone)).status).toBe(200);
    clock += 86_400_000;
    expect(outcome(await addAt(small.url, ada.token, randomPhone()))).toEqual(notFound);
  });

  test("what was asked for is forgotten after a day", async () => {
    let clock = Date.now();
    await using small = await startTestServer({ now: () => new Date(clock) });
    const ada = await newPerson(small.url);
    const count = async (): Promise<number> =>
      (await small.app.db.selectFrom("contact_lookups").select("asked_at").execute()).length;
    await addAt(small.url, ada.token, randomPhone());
    await runMaintenance(small.app);
    expect(await count()).toBe(1);
    clock += 86_400_001;
    await runMaintenance(small.app);
    expect(await count()).toBe(0);
  });

  test("also when many are asked for at once, on two servers", async () => {
    const env = { CONTACT_NUMBERS_PER_DAY: "5" };
    await using one = await startTestServer({ env });
    await using two = await startTestServer({ env, database: one.database });
    const ada = await newPerson(one.url);
    const answers = await Promise.all(
      Array.from({ length: 16 }, (_, i) => addAt([one, two][i % 2]?.url ?? "", ada.token, randomPhone())),
    );
    expect(answers.filter(({ status }) => status === 404)).toHaveLength(5);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(11);
  });

  test("by device, by account and by address in an hour", async () => {
    await using small = await startTestServer({ env: { CONTACT_LOOKUPS_PER_HOUR: "2" } });
    const ada = await newPerson(small.url, "phone");
    const devices = [ada];
    for (const name of ["laptop", "tablet"]) devices.push(await newPerson(small.url, name, ada.phone));
    const statuses: number[] = [];
    for (const { token } of devices) {
      for (let i = 0; i < 3; i++) statuses.push((await addAt(small.url, token, ada.phone)).status);
    }
    // Two of a device, four of an account.
    expect(statuses).toEqual([400, 400, 429, 400, 400, 429, 429, 429, 429]);
    const others: number[] = [];
    for (let i = 0; i < 21; i++) {
      const { token, phone } = await newPerson(small.url);
      for (let call = 0; call < 2; call++) others.push((await addAt(small.url, token, phone)).status);
    }
    // Forty of an address, of which the account above had four, and one that its other limits let through.
    expect(others.indexOf(429)).toBeGreaterThan(30);
    expect(others.indexOf(429)).toBeLessThanOrEqual(36);
  });
});
