import { randomInt } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { act, newGroup, newMembers, rolesOf, type Member } from "../groups.ts";
import { seededRandom } from "../lossy-bus.ts";
import { rest, type Json } from "../rest-client.ts";
import { startTestServer } from "../test-server.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? randomInt(2 ** 31));
const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());
const { url } = server;

type Role = "owner" | "admin" | "member";
type Step =
  | { op: "add" | "remove" | "transfer"; actor: number; target: number }
  | { op: "role"; actor: number; target: number; role: "admin" | "member" }
  | { op: "archive"; actor: number; archived: boolean }
  | { op: "leave" | "accept" | "send"; actor: number };

/** What a group is, as simply as it can be said: who is in it, and of each entry who saw it. */
class Model {
  readonly roles = new Map<number, Role>([[0, "owner"]]);
  readonly entries: { says: string; seenBy: Set<number> }[] = [{ says: "created", seenBy: new Set([0]) }];
  isArchived = false;

  /** Applies a step; gives the status that the server must answer. */
  apply(step: Step): number {
    if (step.op === "accept") return this.#accept(step.actor);
    const role = this.roles.get(step.actor);
    if (!role) return 404;
    switch (step.op) {
      case "send":
        return this.isArchived ? 409 : this.#append(`message ${this.entries.length}`);
      case "leave":
        return this.#leave(step.actor);
      case "add":
        return this.#add(role, step.target);
      case "remove":
        return step.actor === step.target ? this.#leave(step.actor) : this.#remove(role, step.target);
      case "role":
        return this.#setRole(role, step.target, step.role);
      case "transfer":
        return this.#transfer(role, step.actor, step.target);
      case "archive":
        if (role !== "owner") return 403;
        if (this.isArchived === step.archived) return 200;
        this.isArchived = step.archived;
        return this.#append(step.archived ? "archived" : "unarchived");
    }
  }

  /** Whoever is in before or after the entry sees it. */
  #append(says: string, change: () => void = () => {}): number {
    const seenBy = new Set(this.roles.keys());
    change();
    for (const user of this.roles.keys()) seenBy.add(user);
    this.entries.push({ says, seenBy });
    return 200;
  }

  #accept(actor: number): number {
    if (this.roles.has(actor)) return 200;
    if (this.isArchived) return 409;
    return this.#append("member_joined", () => this.roles.set(actor, "member"));
  }

  #add(role: Role, target: number): number {
    if (role === "member") return 403;
    if (this.isArchived) return 409;
    if (this.roles.has(target)) return 200;
    return this.#append("members_added", () => this.roles.set(target, "member"));
  }

  #leave(actor: number): number {
    if (this.roles.get(actor) === "owner" && this.roles.size > 1) return 409;
    return this.#append("member_left", () => this.roles.delete(actor));
  }

  #remove(role: Role, target: number): number {
    const targetRole = this.roles.get(target);
    if (role === "member") return 403;
    if (!targetRole) return 404;
    if (role === "admin" && targetRole !== "member") return 403;
    return this.#append("member_removed", () => this.roles.delete(target));
  }

  #setRole(role: Role, target: number, given: "admin" | "member"): number {
    const targetRole = this.roles.get(target);
    if (role !== "owner") return 403;
    if (!targetRole) return 404;
    if (targetRole === "owner") return 409;
    return targetRole === given ? 200 : this.#append("role_changed", () => this.roles.set(target, given));
  }

  #transfer(role: Role, actor: number, target: number): number {
    if (role !== "owner") return 403;
    if (actor === target) return 200;
    if (!this.roles.has(target)) return 404;
    return this.#append("ownership_transferred", () => this.roles.set(actor, "admin").set(target, "owner"));
  }
}

const people = await newMembers(url, 5);

function makeStep(random: () => number): Step {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const user = (): number => Math.floor(random() * people.length);
  const op = pick([
    "add",
    "add",
    "remove",
    "transfer",
    "role",
    "role",
    "archive",
    "leave",
    "accept",
    "send",
    "send",
  ] as const);
  switch (op) {
    case "add":
    case "remove":
    case "transfer":
      return { op, actor: user(), target: user() };
    case "role":
      return { op, actor: user(), target: user(), role: pick(["admin", "member"] as const) };
    case "archive":
      // Mostly taken up again, so that there is something to see.
      return { op, actor: user(), archived: random() < 0.3 };
    case "leave":
    case "accept":
    case "send":
      return { op, actor: user() };
  }
}

function request(
  group: { id: string; code: string },
  step: Step,
  count: number,
): [route: string, body?: object] {
  const at = `/groups/${group.id}`;
  const target = "target" in step ? people[step.target]?.id : undefined;
  switch (step.op) {
    case "add":
      return [`POST ${at}/members`, [target]];
    case "remove":
      return [`DELETE ${at}/members/${target}`];
    case "transfer":
      return [`POST ${at}/transfer_ownership`, { new_owner_user_id: target }];
    case "role":
      return [`POST ${at}/members/${target}/role`, { role: step.role }];
    case "archive":
      return [`POST ${at}/archive`, { archived: step.archived }];
    case "leave":
      return [`POST ${at}/leave`];
    case "accept":
      return [`POST /groups/invites/${group.code}/accept`];
    case "send":
      return [
        "POST /messages/send_group",
        { conversation_id: group.id, sender_device_id: "phone", ciphertext: `message ${count}` },
      ];
  }
}

/** The group's log as a user's device is given it: number and what it says. */
async function logOf(reader: Member, id: string): Promise<[number, string][]> {
  const input = encodeURIComponent(JSON.stringify({ log: id, fromSeq: 1, toSeq: 200 }));
  const answer = await rest(url, `GET /trpc/sync.fill?input=${input}`, { token: reader.token });
  if (answer.status === 404) return [];
  const { entries } = (answer.body["result"] as { data: { entries: Json[] } }).data;
  return entries.map((entry) => {
    const event = entry["event"] as { type: string; action?: string; message?: { ciphertext: string } };
    return [Number(entry["seq"]), event.message?.ciphertext ?? event.action ?? event.type];
  });
}

async function requireSame(model: Model, id: string, trail: string): Promise<void> {
  for (const [i, person] of people.entries()) {
    const seen = model.entries.flatMap(({ says, seenBy }, at) => (seenBy.has(i) ? [[at + 1, says]] : []));
    expect(await logOf(person, id), `the log of ${i} after ${trail}`).toEqual(seen);
    const messages = seen.map(([, says]) => String(says)).filter((says) => says.startsWith("message "));
    const history = await rest(url, `GET /messages/history?conversation_id=${id}&limit=200`, {
      token: person.token,
    });
    expect(history.status, trail).toBe(seen.length > 0 ? 200 : 404);
    const found = ((history.body["messages"] ?? []) as Json[]).map((message) => message["ciphertext"]);
    expect(found, `the history of ${i} after ${trail}`).toEqual(messages);
    if (!model.roles.has(i)) continue;
    const roles = Object.fromEntries([...model.roles].map(([user, role]) => [people[user]?.id ?? "", role]));
    expect(await rolesOf(url, person, id), trail).toEqual(roles);
  }
}

test(
  `any sequence of changes of a group reads as a naive model says (FUZZ_SEED=${seed})`,
  { timeout: 60_000 },
  async () => {
    const random = seededRandom(seed);
    const [owner] = people;
    if (!owner) throw new Error("nobody");
    for (let run = 0; run < 10; run++) {
      const id = await newGroup(url, owner);
      const code = String((await act(url, owner, `POST /groups/${id}/invites`))["code"]);
      const model = new Model();
      const trail: Step[] = [];
      for (let count = 0; count < 50; count++) {
        const step = makeStep(random);
        trail.push(step);
        const actor = people[step.actor];
        const [route, body] = request({ id, code }, step, model.entries.length);
        const answer = await rest(url, route, { token: actor?.token, ...(body ? { body } : {}) });
        expect(answer.status, JSON.stringify(trail)).toBe(model.apply(step));
        // Nobody is left: nothing more can happen to it.
        if (model.roles.size === 0) break;
      }
      await requireSame(model, id, JSON.stringify(trail));
    }
  },
);
