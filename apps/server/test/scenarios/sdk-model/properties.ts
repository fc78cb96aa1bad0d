import { deviceId, userId } from "@sotto/schema";
import { SottoError, type Message, type Withheld } from "@sotto/sdk";
import { deviceKey } from "../../../src/modules/logs/entries.ts";
import { runSql } from "../../sql.ts";
import { laneOf, type Lane, type ModelDevice, type Sending } from "./model-device.ts";
import type { ModelUser, World } from "./world.ts";

/** What a device has of a conversation, oldest first. */
interface Timeline {
  device: ModelDevice;
  lane: Lane;
  lines: Message[];
  withheld: Withheld[];
}

/** A message as the server has it. */
interface Known {
  text: string;
  seq: number;
  sentAtMs: number;
  conversationId: string;
}

/** Everything that must hold once all is calm; gives what does not. The database says what was sealed for whom. */
export async function findViolations(world: World, databaseUrl: string): Promise<string[]> {
  const timelines = (await Promise.all(world.present.map((device) => readTimelines(world, device)))).flat();
  const known = new Map<string, Known>();
  return [
    ...world.devices.flatMap(({ violations }) => violations),
    ...world.present.flatMap(({ name, readyAt }) => (readyAt === Infinity ? [`${name} is not linked`] : [])),
    ...timelines.flatMap((timeline) => checkTimeline(timeline, known)),
    ...timelines.flatMap((timeline) => checkUnreadable(world, timeline)),
    ...timelines.flatMap((timeline) => checkWithheld(world, timeline)),
    ...world.sendings.flatMap((sending) => checkSending(sending, known)),
    ...world.devices.flatMap((device) => checkOrderOfSending(device, known)),
    ...world.devices.flatMap((device) => checkShown(device, known)),
    ...checkReaders(world, timelines, known),
    ...(await checkRemoved(world, { known, databaseUrl })),
  ];
}

async function readTimelines(world: World, device: ModelDevice): Promise<Timeline[]> {
  const { client } = device;
  if (!client) return [];
  const lanes: Lane[] = [
    ...world.users.filter((user) => user !== device.user).map((peer) => ({ kind: "direct" as const, peer })),
    { kind: "group", groupId: world.groupId },
  ];
  return Promise.all(
    lanes.map(async (lane) => {
      const conversation = laneOf(client, lane);
      let page = await conversation.messages({ limit: 10 });
      const pages = [page.messages];
      while (page.hasEarlier && page.messages[0]) {
        page = await conversation.messages({ limit: 10, before: page.messages[0] });
        pages.unshift(page.messages);
      }
      const withheld = await conversation.withheld();
      return {
        device,
        lane,
        withheld,
        lines: pages.flat().filter(({ content }) => content.kind !== "group"),
      };
    }),
  );
}

/** Each line once, in its place, and the same on every device. */
function checkTimeline({ device, lines }: Timeline, known: Map<string, Known>): string[] {
  const violations: string[] = [];
  let before = 0;
  for (const { id, seq, content, sentAt, state, conversationId } of lines) {
    const what = `${device.name}: ${content.kind === "text" ? content.text : content.kind} ${id ?? ""}`;
    if (id === null || seq === null || state === "queued" || state === "failed") {
      if (state !== "failed") violations.push(`${what} is ${state} at ${seq ?? "no place"}`);
      continue;
    }
    if (seq <= before) violations.push(`${what} is at ${seq}, after ${before}`);
    before = seq;
    if (content.kind !== "text") continue;
    const now = {
      text: content.text,
      seq,
      sentAtMs: Date.parse(sentAt),
      conversationId: conversationId ?? "",
    };
    const earlier = known.get(id);
    if (earlier && JSON.stringify(earlier) !== JSON.stringify(now))
      violations.push(`${what} differs: ${JSON.stringify([earlier, now])}`);
    if (!earlier && [...known.values()].some(({ text }) => text === now.text))
      violations.push(`${what} is there twice`);
    known.set(id, now);
  }
  return violations;
}

/** Before it is approved, nothing is sealed for a device, and it can verify nobody. */
const beforeLinked = new Set<string>(["not_for_this_device", "not_addressed", "sender_unverified"]);

/** Only what was sealed before this device was there. */
function checkUnreadable(world: World, { device, lines }: Timeline): string[] {
  return lines.flatMap(({ content, sentAt, senderDeviceId, id }) => {
    if (content.kind !== "unreadable")
      return content.kind === "text" ? [] : [`${device.name}: ${content.kind}`];
    const sender = world.devices.find(({ deviceId }) => deviceId === senderDeviceId);
    const isFromBefore = beforeLinked.has(content.reason) && Date.parse(sentAt) <= device.readyAt;
    if (isFromBefore) return [];
    return [`${device.name}: ${id ?? ""} of ${sender?.name ?? "nobody"} is unreadable: ${content.reason}`];
  });
}

/** Nobody withholds anything: only a message that failed after a crash may be missed, as it may be on its way. */
function checkWithheld(world: World, { device, lane, withheld }: Timeline): string[] {
  return withheld.flatMap(({ senderDeviceId, missing }) => {
    const sender = world.devices.find(({ deviceId }) => deviceId === senderDeviceId);
    const failed = sender?.sendings.filter(({ outcome }) => outcome instanceof SottoError).length ?? 0;
    if (missing <= failed) return [];
    return [`${device.name}: ${missing} of ${sender?.name ?? "nobody"} are withheld (${lane.kind})`];
  });
}

/** What was confirmed is there, once; what was never queued is not. */
function checkSending({ text, from, lane, outcome }: Sending, known: Map<string, Known>): string[] {
  const found = [...known].find(([, one]) => one.text === text);
  const what = `${from.name}: ${text}`;
  if (outcome === "never_queued") return found ? [`${what} was sent though it was not queued`] : [];
  if (outcome instanceof SottoError) {
    const isExpected =
      from.removal !== undefined ||
      (lane.kind === "group" && outcome.code === "GROUP_NOT_FOUND" && from.user.stays.some(isLeft));
    return isExpected ? [] : [`${what} failed: ${outcome.code}`];
  }
  if (outcome === "open") return from.removal ? [] : [`${what} is open`];
  return found?.[0] === outcome.id ? [] : [`${what} ${outcome.id} is lost; found ${found?.[0] ?? "nothing"}`];
}

const isLeft = ({ leavingAt }: { leavingAt: number }): boolean => leavingAt < Infinity;

/** One device's messages to one place arrive in the order in which they were sent. */
function checkOrderOfSending(device: ModelDevice, known: Map<string, Known>): string[] {
  const last = new Map<string, Known>();
  return device.sendings.flatMap(({ text, isRequeued }) => {
    if (isRequeued) return [];
    const one = [...known.values()].find((message) => message.text === text);
    if (!one) return [];
    const before = last.get(one.conversationId);
    last.set(one.conversationId, one);
    return before && before.seq > one.seq ? [`${device.name}: ${before.text} came after ${one.text}`] : [];
  });
}

/** The application saw the order of the log. */
function checkShown(device: ModelDevice, known: Map<string, Known>): string[] {
  const last = new Map<string, number>();
  return device.shown.flatMap((message) => {
    const one = known.get(message.id);
    if (!one || message.kind !== "text") return [];
    const before = last.get(one.conversationId) ?? 0;
    last.set(one.conversationId, one.seq);
    return before >= one.seq ? [`${device.name} was shown ${one.text} at ${one.seq} after ${before}`] : [];
  });
}

/** Who may read reads, and nobody else does. */
function checkReaders(world: World, timelines: Timeline[], known: Map<string, Known>): string[] {
  const read = new Map<ModelDevice, Set<string>>(world.devices.map((device) => [device, new Set()]));
  for (const { device, lines } of timelines) {
    for (const { id, content } of lines) if (id && content.kind === "text") read.get(device)?.add(id);
  }
  const sent = new Map(world.sendings.map((sending) => [sending.text, sending]));
  return [...known].flatMap(([id, message]) => {
    const sending = sent.get(message.text);
    if (!sending) return [`${message.text} was never sent`];
    return world.devices.flatMap((device) => {
      const what = `${device.name}: ${message.text} of ${sending.from.name} at ${message.sentAtMs}`;
      const isShown = device.shown.some((shown) => shown.id === id && shown.kind === "text");
      const isRead = isShown || (read.get(device)?.has(id) ?? false);
      const may = entitlement(device, sending, message.sentAtMs);
      if (may === "no") return isRead ? [`${what} is read though it must not be`] : [];
      if (may === "maybe") return [];
      if (!read.get(device)?.has(id)) return [`${what} is not in the timeline`];
      return isShown === (device !== sending.from) ? [] : [`${what} is ${isShown ? "" : "not "}shown`];
    });
  });
}

/** What is sent once a device is removed is not sealed for it, and it is told nothing: one would do, both must hold. */
async function checkRemoved(
  world: World,
  { known, databaseUrl }: { known: Map<string, Known>; databaseUrl: string },
): Promise<string[]> {
  const removed = world.devices.filter(({ removal }) => removal && removal.endedAt < Infinity);
  if (removed.length === 0) return [];
  const ids = [...known.keys()].map((id) => `'${id}'`);
  const rows =
    ids.length === 0
      ? []
      : await runSql(databaseUrl, `select id, wraps from messages where id in (${ids.join()})`);
  const violations = rows.flatMap(({ id, wraps }) => {
    const message = known.get(String(id));
    return removed.flatMap(({ name, user, deviceId: id, removal }) => {
      const isAfter = (message?.sentAtMs ?? 0) > (removal?.endedAt ?? Infinity);
      const isSealed = Object.hasOwn(wraps ?? {}, deviceKey(userId.parse(user.id), deviceId.parse(id)));
      return isAfter && isSealed ? [`${message?.text ?? ""} is sealed for ${name}, which is removed`] : [];
    });
  });
  const answers = await Promise.all(removed.map((device) => device.knock()));
  for (const [at, answer] of answers.entries()) {
    if (answer !== undefined) continue;
    violations.push(`${removed[at]?.name ?? ""} is removed, and is let in`);
  }
  return violations;
}

function entitlement(device: ModelDevice, { from, lane }: Sending, atMs: number): "yes" | "no" | "maybe" {
  const { removal, readyAt, user } = device;
  if (removal && atMs > removal.endedAt) return "no";
  const member = lane.kind === "group" ? membership(user, atMs) : user === lane.peer || user === from.user;
  if (member === false) return "no";
  if (member === "maybe" || removal) return "maybe";
  return atMs > readyAt ? "yes" : "maybe";
}

function membership({ stays }: ModelUser, atMs: number): boolean | "maybe" {
  if (stays.some(({ addedAt, leavingAt }) => atMs > addedAt && atMs < leavingAt)) return true;
  return stays.every(({ addingAt, leftAt }) => atMs < addingAt || atMs > leftAt) ? false : "maybe";
}
