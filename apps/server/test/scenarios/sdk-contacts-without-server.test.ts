import { expect, test } from "vitest";
import { randomPhone } from "../rest-client.ts";
import { Proxy } from "../proxy.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { runSql } from "../sql.ts";
import { startTestServer } from "../test-server.ts";

test("contacts are known without the server, as it had them last", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using ada = await TestUser.open({ url: proxy.url });
  await using bob = await TestUser.open({ url: server.url });
  await using carol = await TestUser.open({ url: server.url });
  const { contacts } = ada.client;
  const offline = async <T>(run: () => Promise<T>): Promise<T> => {
    proxy.goOffline();
    try {
      return await run();
    } finally {
      proxy.goOnline();
    }
  };

  expect(await contacts.find(bob.phone)).toBeUndefined();
  await expect(offline(() => contacts.list())).rejects.toMatchObject({ code: "NETWORK" });
  const added = await contacts.add(bob.phone);
  expect(added).toMatchObject({ userId: bob.userId, phone: bob.phone });
  await contacts.add(carol.phone);
  const listed = await contacts.list();
  expect(listed).toHaveLength(2);
  expect(await offline(() => contacts.list())).toEqual(listed);
  expect(await offline(() => contacts.find(bob.phone))).toEqual(added);
  expect(await offline(() => contacts.find(randomPhone()))).toBeUndefined();
  await expect(offline(() => contacts.list({ signal: AbortSignal.abort() }))).rejects.toMatchObject({
    code: "ABORTED",
  });

  // What the server has no longer is forgotten at the next answer.
  await runSql(server.database.url, `delete from contacts where contact_user_id = '${bob.userId}'`);
  expect(await contacts.list()).toMatchObject([{ userId: carol.userId }]);
  expect(await offline(() => contacts.list())).toMatchObject([{ userId: carol.userId }]);
});
