import { setTimeout as pause } from "node:timers/promises";
import { SottoError, type Client } from "@sotto/sdk";
import type { EntryWake } from "../../lossy-bus.ts";
import { randomPhone } from "../../rest-client.ts";
import type { Command, Story } from "./commands.ts";
import { ModelDevice, type Lane, type Sending } from "./model-device.ts";

/** So long a story waits for a message that it awaits: usually until it is there. */
const awaitedMs = 250;

/** A time in the group: certain from `addedAt` to `leavingAt`, possible from `addingAt` to `leftAt`. */
export interface Stay {
  addingAt: number;
  addedAt: number;
  leavingAt: number;
  leftAt: number;
}

export interface ModelUser {
  name: string;
  phone: string;
  id: string;
  devices: ModelDevice[];
  stays: Stay[];
  /** One after the other: a number has one code at a time. */
  signingIn: (action: () => Promise<void>) => Promise<void>;
  /** Another device of the user's lets this one in. */
  approve: (device: ModelDevice, code: string) => Promise<void>;
}

/** Users, their devices and a group, and what is done to them. */
export class World implements AsyncDisposable {
  readonly users: ModelUser[];
  groupId = "";
  /** What a world that takes too long is doing. */
  phase = "begins";
  readonly #url: string;
  readonly #running: Promise<unknown>[] = [];
  /** What has begun and is not known to be done. */
  readonly #open = new Set<() => Promise<void>>();
  #members: Promise<unknown> = Promise.resolve();
  #sent = 0;
  #wakesToDrop = 0;

  private constructor(url: string, story: Story) {
    this.#url = url;
    this.users = story.devices.map((_, at) => ({
      name: "abcd".charAt(at),
      phone: randomPhone(),
      id: "",
      devices: [],
      stays: [],
      signingIn: inTurn(),
      approve: (device, code) => this.#approve(device, code),
    }));
  }

  static async open(url: string, story: Story): Promise<World> {
    const world = new World(url, story);
    for (const [at, user] of world.users.entries()) {
      for (let count = 0; count < (story.devices[at] ?? 1); count++) world.#newDevice(user);
    }
    await Promise.all(
      world.users.map(async ({ devices }) => {
        for (const device of devices) await device.boot();
      }),
    );
    const [owner, ...members] = world.users;
    const group = await owner?.devices[0]?.client?.groups.create("Model", {
      memberUserIds: members.map(({ id }) => id),
    });
    world.groupId = group?.groupId ?? "";
    const now = Date.now();
    const stay = () => ({ addingAt: now, addedAt: now, leavingAt: Infinity, leftAt: Infinity });
    for (const user of world.users) user.stays.push(stay());
    return world;
  }

  get devices(): ModelDevice[] {
    return this.users.flatMap(({ devices }) => devices);
  }

  /** Those that nobody has begun to remove. */
  get present(): ModelDevice[] {
    return this.devices.filter(({ removal }) => !removal);
  }

  async describe(): Promise<string> {
    return (await Promise.all(this.devices.map((device) => device.describe()))).join("; ");
  }

  get sendings(): Sending[] {
    return this.devices.flatMap(({ sendings }) => sendings);
  }

  /** Whether this wake gets lost on its way; those who connect later find by number what it told of. */
  losesWake({ audience }: EntryWake): boolean {
    if (this.#wakesToDrop === 0) return false;
    const isOurs =
      "conversationId" in audience
        ? audience.conversationId === this.groupId
        : this.users.some(({ id }) => audience.some((userId) => userId === id));
    if (isOurs) this.#wakesToDrop--;
    return isOurs;
  }

  async step(command: Command): Promise<void> {
    await new Promise(setImmediate);
    switch (command.kind) {
      case "send": {
        const sending = this.#send(command);
        if (command.isAwaited) await Promise.race([sending?.running, pause(awaitedMs)]);
        return;
      }
      case "pause":
        await pause(command.ms);
        return;
      case "dropWakes":
        this.#wakesToDrop += command.count;
        return;
      case "cut":
        this.#pickDevice(command.device)?.cut();
        return;
      case "loseAnswer":
        this.#pickDevice(command.device)?.loseAnswer();
        return;
      case "doubleRequest":
        this.#pickDevice(command.device)?.doubleRequest();
        return;
      case "crash":
        this.#pickDevice(command.device)?.crashAt(command.commit, command.when);
        return;
      case "boot":
      case "stop":
        this.#background(this.#pickDevice(command.device)?.[command.kind]());
        return;
      case "addDevice":
        this.#addDevice(pick(this.users, command.user));
        return;
      case "removeDevice":
        this.#removeDevice(this.#pickDevice(command.device));
        return;
      case "toggleMember":
        this.#toggleMember(pick(this.users.slice(1), command.user));
    }
  }

  /** Nothing but wakes is lost any more, and in the end not these; everybody is there, and has everything. */
  async settle(): Promise<void> {
    this.phase = "finishes what it began";
    await this.#members;
    await Promise.all(this.#running);
    this.phase = "sends what is unsent";
    await Promise.all(this.present.map((device) => device.settle()));
    for (const action of this.#open) await action();
    await Promise.all(this.present.map((device) => device.settle()));
    this.#wakesToDrop = 0;
    this.phase = "catches up";
    await Promise.all(this.present.map((device) => device.catchUp()));
    this.phase = "is calm";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.devices.map((device) => device[Symbol.asyncDispose]()));
  }

  #pickDevice(choice: number): ModelDevice | undefined {
    return pick(this.present, choice);
  }

  #send({ from, to, isRetried }: Extract<Command, { kind: "send" }>): Sending | undefined {
    const device = this.#pickDevice(from);
    if (!device) return undefined;
    const others = this.users.filter((user) => user !== device.user);
    const lanes: Lane[] = [
      ...others.map((peer) => ({ kind: "direct" as const, peer })),
      { kind: "group", groupId: this.groupId },
      { kind: "group", groupId: this.groupId },
    ];
    const lane = pick(lanes, to);
    return lane && device.send(lane, `m${++this.#sent}`, isRetried);
  }

  #newDevice(user: ModelUser): ModelDevice {
    const device = new ModelDevice(user, `${user.name}${user.devices.length + 1}`, this.#url);
    user.devices.push(device);
    return device;
  }

  #addDevice(user: ModelUser | undefined): void {
    if (!user || user.devices.length >= 4) return;
    this.#background(this.#newDevice(user).boot());
  }

  #approve(device: ModelDevice, code: string): Promise<void> {
    const others = device.user.devices.filter((one) => one !== device);
    return this.#insist(others, async (client) => {
      if (device.removal || device.readyAt < Infinity) return;
      await client.devices.approve(code);
      device.readyAt = Date.now();
    });
  }

  #removeDevice(device: ModelDevice | undefined): void {
    const deviceId = device?.deviceId;
    if (!device || deviceId === undefined || device.readyAt === Infinity) return;
    const { user } = device;
    const others = user.devices.filter((one) => one !== device && !one.removal && one.readyAt < Infinity);
    if (others.length === 0) return;
    const removal = { startedAt: Date.now(), endedAt: Infinity };
    device.removal = removal;
    void this.#insist(others, async (client) => {
      await client.devices.remove(deviceId).catch(unless("DEVICE_NOT_FOUND"));
      removal.endedAt = Date.now();
    });
  }

  /** One after the other: what a user is in the group is known when the next change begins. */
  #toggleMember(user: ModelUser | undefined): void {
    if (user) this.#members = this.#members.then(() => this.#changeStay(user));
  }

  async #changeStay({ id, stays }: ModelUser): Promise<void> {
    const owners = this.users[0]?.devices ?? [];
    const stay = stays.at(-1);
    if (!stay || stay.leftAt < Infinity) {
      const next = { addingAt: Date.now(), addedAt: Infinity, leavingAt: Infinity, leftAt: Infinity };
      stays.push(next);
      await this.#insist(owners, async (client) => {
        await client.groups.get(this.groupId).addMembers([id]);
        next.addedAt = Date.now();
      });
    } else if (stay.addedAt < Infinity && stay.leavingAt === Infinity) {
      stay.leavingAt = Date.now();
      await this.#insist(owners, async (client) => {
        await client.groups.get(this.groupId).removeMember(id).catch(unless("MEMBER_NOT_FOUND"));
        stay.leftAt = Date.now();
      });
    }
  }

  /** Does it now on a device that runs; where that fails it is done when all is calm. */
  #insist(devices: readonly ModelDevice[], action: (client: Client) => Promise<void>): Promise<void> {
    const attempt = async (): Promise<void> => {
      const client = devices.find(isReady)?.client;
      if (!client) throw new SottoError("NETWORK");
      await action(client);
      this.#open.delete(attempt);
    };
    this.#open.add(attempt);
    const done = attempt().catch(() => {});
    this.#background(done);
    return done;
  }

  #background(running: Promise<unknown> | undefined): void {
    if (running) this.#running.push(running.catch(() => {}));
  }
}

function inTurn(): (action: () => Promise<void>) => Promise<void> {
  let last = Promise.resolve();
  return (action) => {
    const result = last.then(action);
    last = result.catch(() => {});
    return result;
  };
}

const isReady = ({ client, removal, readyAt }: ModelDevice): boolean =>
  !!client?.me && !removal && readyAt < Infinity;

function unless(code: string): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof SottoError) || error.code !== code) throw error;
  };
}

function pick<T>(from: readonly T[], choice: number): T | undefined {
  return from[choice % Math.max(1, from.length)];
}
