/** An identity key that its user has given up stays given up: whoever stole it can still sign lists with it. */
import { expect, test } from "vitest";
import { ListTable } from "../list-table.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

async function backUp({ client: { backup } }: TestUser) {
  const recoveryKey = await backup.generateRecoveryKey();
  const file = await new Response(await backup.export(recoveryKey)).blob();
  return ({ client }: TestUser) => client.backup.restore(file.stream(), recoveryKey);
}

const changed = { code: "IDENTITY_CHANGED" };

test("an old backup does not bring back a key after a reset, on whichever device", async () => {
  await using server = await startTestServer();
  const { url, database } = server;
  await using stolen = await TestUser.open({ url });
  await using phone = await TestUser.open({ url, phone: stolen.phone });
  const restoreOld = await backUp(phone);
  await stolen.client.stop();
  await phone.client.identity.reset();
  await using tablet = await TestUser.open({ url, phone: stolen.phone, isApproved: false });
  await expect(restoreOld(phone)).rejects.toMatchObject(changed);
  await expect(restoreOld(tablet)).rejects.toMatchObject(changed);
  await phone.client.devices.approve(await tablet.client.devices.link());
  expect(await tablet.client.identity.check()).toBe("linked");
  await expect(restoreOld(tablet)).rejects.toMatchObject(changed);
  const newest = (await new ListTable(database.url, phone).read()).at(-1);
  expect(newest?.parts.devices.map(({ deviceId }) => deviceId)).toEqual([
    phone.me.deviceId,
    tablet.me.deviceId,
  ]);
});

test("who comes back after signing out everywhere may restore, until another device is let in", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using bob = await TestUser.open({ url });
  const restoreOld = await backUp(bob);
  await bob.client.signOut();
  await bob.signIn();
  await using laptop = await TestUser.open({ url, phone: bob.phone });
  expect(await laptop.client.identity.state()).toBe("linked");
  await expect(restoreOld(bob)).rejects.toMatchObject(changed);
  await bob.client.devices.remove(laptop.me.deviceId);
  await restoreOld(bob);
  expect(await bob.client.identity.state()).toBe("linked");
});
