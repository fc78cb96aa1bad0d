import { afterAll, describe, expect, test } from "vitest";
import { signIn } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";
import { doors, procedures, type NamedProcedure } from "./access/doors.ts";
import { elsewhere, rows, type Row } from "./access/rows.ts";
import { act, newCast, newScene, roles, type Role, type Scene } from "./access/scene.ts";
import { newPerson } from "./people.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());
const { url } = server;
const cast = await newCast(url);
let current: Scene | undefined;

/** The scene, made anew after a call that changed it. */
async function takeScene(): Promise<Scene> {
  return (current ??= await newScene(cast));
}

const tested = procedures.flatMap((of): [string, NamedProcedure, Row[]][] => {
  const own = rows[of.name];
  return own ? [[of.name, of, own]] : [];
});

/** Calls through each door, and gives what each says. */
async function callAll(of: NamedProcedure, row: Row, role: Role): Promise<object> {
  const outcomes: Record<string, unknown> = {};
  const changes = !row.keeps && of.procedure.kind !== "query";
  for (const [door, call] of Object.entries(doors)) {
    const scene = await takeScene();
    const input = { ...(await row.input?.(scene, role)) };
    const { token } = row.byAnother ? await newPerson(url) : scene.cast[role];
    const outcome = await call(url, token, { of, input });
    if (outcome?.status === 200 && changes) current = undefined;
    if (outcome) outcomes[door] = outcome;
  }
  return outcomes;
}

describe.each(tested)("%s", (_, of, own) => {
  for (const row of own) {
    test(`${row.what}: each role has what it may, and the same through each door`, async () => {
      const statuses: Record<string, unknown> = {};
      for (const role of roles) {
        const outcomes: unknown[] = Object.values(await callAll(of, row, role));
        const [first] = outcomes as { status: number }[];
        statuses[role] = first?.status;
        // The doors answer the same, the one in camelCase and the other in snake_case.
        for (const outcome of outcomes) expect(outcome, role).toEqual(first);
      }
      expect(statuses).toEqual(row.expect);
    });
  }

  test("the token of a removed device", async () => {
    const removed = await newPerson(url, "gone");
    const again = await newPerson(url, "stays", removed.phone);
    await act(url, again, "DELETE /keys/devices/gone");
    for (const [door, call] of Object.entries(doors)) {
      const scene = await takeScene();
      const input = { ...(await own[0]?.input?.(scene, "member")) };
      const outcome = await call(url, removed.token, { of, input });
      if (!outcome) continue;
      if (of.procedure.access === "public") expect(outcome.status, door).toBe(own[0]?.expect.stranger);
      else expect(outcome, door).toEqual({ status: 401, answer: "Invalid token" });
    }
  });
});

test("a token without a device has none of what is a device's", async () => {
  const { token } = await signIn(url);
  const scene = await takeScene();
  for (const [name, of, own] of tested.filter(([, { procedure }]) => procedure.access === "device")) {
    const input = { ...(await own[0]?.input?.(scene, "member")) };
    for (const call of Object.values(doors)) {
      const outcome = await call(url, token, { of, input });
      if (!outcome) continue;
      expect(outcome, name).toEqual({ status: 403, answer: "This token has published no device" });
    }
  }
});

test("every procedure of the contract is here", () => {
  const missing = procedures.filter(({ name }) => !rows[name] && !elsewhere[name]);
  expect(missing.map(({ name }) => name)).toEqual([]);
});
