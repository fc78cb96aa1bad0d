import { afterAll, describe, expect, test } from "vitest";
import { act, newGroup, newMember, newThree } from "../groups.ts";
import { signInWithDevice, type Person } from "../rest-client.ts";
import { startTwoServers } from "../two-servers.ts";
import { outcome } from "./described-rest.ts";

const servers = await startTwoServers();
afterAll(() => servers[Symbol.asyncDispose]());
const { url, other, call } = servers;
const rounds = 8;

const wrapFor = (userId: string, deviceId: string): object => ({
  user_id: userId,
  device_id: deviceId,
  wrap: `for ${deviceId}`,
});
const sealed = (id: string, recipients: object[]): object => ({
  conversation_id: id,
  sender_device_id: "phone",
  ciphertext: "sealed",
  recipients,
});

describe("sends", () => {
  test("a send that races an addition is stored for the old members, below the newcomer's interval, or refused", async () => {
    const [owner, member, joining] = await newThree(url);
    for (let round = 0; round < rounds; round++) {
      const id = await newGroup(url, owner, [member]);
      const [sent, added] = await Promise.all([
        call(0, owner, "POST /messages/send_group", sealed(id, [wrapFor(member.id, "phone")])),
        call(1, owner, `POST /groups/${id}/members`, [joining.id]),
      ]);
      expect(added.status).toBe(200);
      const history = await act(url, joining, `GET /messages/history?conversation_id=${id}`);
      expect(history["messages"]).toEqual([]);
      if (sent.status === 200) continue;
      expect(outcome(sent)).toEqual({
        status: 409,
        detail: {
          code: "device_list_stale",
          missing: [{ user_id: joining.id, device_id: "phone" }],
          extra: [],
          outdated: [],
        },
      });
    }
  });

  test("a send that races a removal reaches the removed member from before it or is refused", async () => {
    const [owner, member, leaving] = await newThree(url);
    for (let round = 0; round < rounds; round++) {
      const id = await newGroup(url, owner, [member, leaving]);
      const [sent, removed] = await Promise.all([
        call(
          0,
          owner,
          "POST /messages/send_group",
          sealed(id, [wrapFor(member.id, "phone"), wrapFor(leaving.id, "phone")]),
        ),
        call(1, owner, `DELETE /groups/${id}/members/${leaving.id}`),
      ]);
      expect(removed.status).toBe(200);
      const history = await act(url, leaving, `GET /messages/history?conversation_id=${id}`);
      expect(history["messages"]).toHaveLength(sent.status === 200 ? 1 : 0);
      if (sent.status !== 200) expect(sent.body["detail"]).toMatchObject({ code: "device_list_stale" });
    }
  });

  test("a device published as its user is added is in the roster that a send is checked against", async () => {
    const [owner, joining] = await newThree(url);
    for (let round = 0; round < rounds; round++) {
      const id = await newGroup(url, owner);
      const deviceId = `tablet-${round}`;
      const known = ["phone", ...Array.from({ length: round }, (_, i) => `tablet-${i}`)];
      const recipients = known.map((device) => wrapFor(joining.id, device));
      const [added, , sent] = await Promise.all([
        call(0, owner, `POST /groups/${id}/members`, [joining.id]),
        signInWithDevice(other.url, deviceId, joining.phone),
        call(0, owner, "POST /messages/send_group", sealed(id, recipients)),
      ]);
      expect(added.status).toBe(200);
      // Stored or not, what is sealed without the new device is refused from now on.
      expect([200, 409]).toContain(sent.status);
      const after = await call(1, owner, "POST /messages/send_group", sealed(id, recipients));
      expect(after.body["detail"]).toMatchObject({
        code: "device_list_stale",
        missing: [{ user_id: joining.id, device_id: deviceId }],
      });
      const whole = [...recipients, wrapFor(joining.id, deviceId)];
      expect((await call(0, owner, "POST /messages/send_group", sealed(id, whole))).status).toBe(200);
    }
  });

  test("a send that races leaving is in the sender's time or refused", async () => {
    const [owner, member] = await newThree(url);
    for (let round = 0; round < rounds; round++) {
      const id = await newGroup(url, owner, [member]);
      const body = { conversation_id: id, sender_device_id: "phone", ciphertext: "bye" };
      const [sent, removed] = await Promise.all([
        call(0, member, "POST /messages/send_group", body),
        call(1, owner, `DELETE /groups/${id}/members/${member.id}`),
      ]);
      expect(removed.status).toBe(200);
      const seen = async (reader: Person): Promise<unknown> =>
        (await act(url, reader, `GET /messages/history?conversation_id=${id}`))["messages"];
      expect(await seen(owner)).toHaveLength(sent.status === 200 ? 1 : 0);
      expect(await seen(member)).toHaveLength(sent.status === 200 ? 1 : 0);
      if (sent.status !== 200) expect(outcome(sent)).toEqual({ status: 404, detail: "Group not found" });
    }
  });

  test("a send that races archiving is in it or refused", async () => {
    const owner = await newMember(url);
    for (let round = 0; round < rounds; round++) {
      const id = await newGroup(url, owner);
      const body = { conversation_id: id, sender_device_id: "phone", ciphertext: "c" };
      const [sent] = await Promise.all([
        call(0, owner, "POST /messages/send_group", body),
        call(1, owner, `POST /groups/${id}/archive`),
      ]);
      if (sent.status !== 200) expect(outcome(sent)).toEqual({ status: 409, detail: "Group archived" });
      expect((await call(1, owner, "POST /messages/send_group", body)).status).toBe(409);
    }
  });
});
