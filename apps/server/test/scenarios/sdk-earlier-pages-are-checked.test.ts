import { expect, test } from "vitest";
import { RecordingProxy } from "../recording-proxy.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

test("an answer that cannot be, of what is earlier in a log, is refused and leaves nothing behind", async () => {
  await using server = await startTestServer();
  await using proxy = await RecordingProxy.listen(server.url);
  await using alice = await TestUser.open({ url: server.url });
  await using bob = await TestUser.open({ url: server.url });
  for (const text of ["1", "2"]) await alice.to(bob).send(text);
  await bob.untilReceived(2);
  // What no device of Bob's has yet comes by the stream.
  await alice.untilAsync("delivered", async () => {
    const { messages } = await alice.to(bob).messages();
    return messages.every(({ state }) => state === "delivered");
  });
  await using phone = await TestUser.open({ url: proxy.url, phone: bob.phone, isStarted: false });
  await phone.client.conversations.list();

  const lies: [string, RegExp, string][] = [
    ["sync.log", /"position":\d+/, `"position":${2 ** 52}`],
    ["sync.log", /"startSeq":\d+/, '"startSeq":1000'],
    ["sync.fill", /"seq":/, '"number":'],
  ];
  for (const [path, said, lie] of lies) {
    let lied = 0;
    proxy.alter = (answer) => {
      if (!answer.path.includes(path)) return answer;
      lied++;
      return { ...answer, text: answer.text.replace(said, lie) };
    };
    await expect(phone.to(alice).messages()).rejects.toMatchObject({ code: "BAD_ANSWER" });
    expect(lied).toBe(1);
  }

  proxy.alter = undefined;
  const { messages, hasEarlier } = await phone.to(alice).messages();
  expect([messages.length, hasEarlier]).toEqual([2, false]);
});
