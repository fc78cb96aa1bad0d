import { randomInt } from "node:crypto";
import { expect, test } from "vitest";
import { type Tab, crash, openTabs } from "../sdk-tabs.ts";

const steps = 30;
const maxTabs = 4;
/** `TABS_SEED` tells one story again. */
const seed = Number(process.env["TABS_SEED"] ?? randomInt(2 ** 31));

/** mulberry32 */
function randomFrom(start: number): (below: number) => number {
  let state = start;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const textOf = (line: string): string => line.split(":")[0] ?? "";

test(`tabs come, go, die, and send meanwhile: nothing is lost or doubled (seed ${seed})`, async () => {
  const random = randomFrom(seed);
  await using world = await openTabs(2);
  const { peer, toMe, me } = world;
  const story: string[] = [];
  /** By the tab, how much the peer had said when it began to listen. */
  const tabs = new Map<Tab, number>(world.tabs.map((tab) => [tab, 0]));
  const said: string[] = [];
  const queued: string[] = [];
  const pick = (): Tab => [...tabs.keys()][random(tabs.size)] ?? expect.fail("no tab");
  const begin = async (tab: Tab): Promise<void> => {
    await tab.run("start");
    await tab.run("untilCaughtUp");
    tabs.set(tab, said.length);
  };

  for (let step = 0; step < steps; step++) {
    const choice = random(10);
    if (choice < 3) {
      story.push("peer");
      const text = `p${step}`;
      said.push(text);
      await toMe.send(text);
    } else if (choice < 7) {
      story.push("send");
      const texts = Array.from({ length: 1 + random(3) }, (_, at) => `t${step}.${at}`);
      queued.push(...texts);
      await pick().run("queueAll", peer.userId, texts);
    } else if (choice === 7 && tabs.size > 1) {
      story.push("crash");
      const tab = pick();
      tabs.delete(tab);
      await crash(tab.page);
    } else if (choice === 8 && tabs.size > 1) {
      story.push("close");
      const tab = pick();
      tabs.delete(tab);
      if (random(2) === 0) await tab.run("close");
      await tab.page.close();
    } else if (tabs.size < maxTabs) {
      story.push("open");
      await begin(await world.openTab());
    }
  }

  try {
    const survivor = pick();
    await toMe.send("the end");
    said.push("the end");
    await peer.untilReceived(queued.length);
    expect(peer.texts.toSorted()).toEqual(queued.toSorted());
    for (const [tab, from] of tabs) {
      await tab.run("untilLine", "the end");
      await tab.run("untilMessage", "the end");
      const { messages, lines } = await tab.told();
      const heard = lines.filter((line) => said.includes(line));
      expect(heard, "lines").toEqual(said.slice(from));
      expect(new Set(messages).size, "messages once").toBe(messages.length);
      expect(messages, "messages in order").toEqual(said.slice(said.length - messages.length));
      expect(messages.length, "no message missing").toBeGreaterThanOrEqual(said.length - from);
      await tab.run("untilSettled", peer.userId, said.length + queued.length);
    }
    const timeline = (await survivor.run<string[]>("timeline", peer.userId)).map(textOf);
    for (const tab of tabs.keys())
      expect((await tab.run<string[]>("timeline", peer.userId)).map(textOf)).toEqual(timeline);
    const there = await peer.client.conversations.with(me.userId).messages({ limit: 500 });
    expect(
      there.messages.map(({ content }) => (content.kind === "text" ? content.text : content.kind)),
    ).toEqual(timeline);
  } catch (error) {
    throw new Error(`seed ${seed}: ${story.join(" ")}`, { cause: error });
  }
}, 180_000);
