import { expect, test } from "vitest";
import { attachmentsOf, download, upload, uploaded } from "../../../test/contract/attachments.ts";
import { act, newGroup, newMembers, sendToGroup } from "../../../test/groups.ts";
import { startTestServer } from "../../../test/test-server.ts";
import { runMaintenance } from "../../maintenance.ts";

test("a deleted message has no attachments, and their blobs are collected", async () => {
  let aheadMs = 0;
  await using server = await startTestServer({ now: () => new Date(Date.now() + aheadMs) });
  const { url, app } = server;
  const [owner, member] = await newMembers(url, 2);
  if (!owner || !member) throw new Error("no members");
  const group = await newGroup(url, owner, [member]);
  const [kept, gone] = [
    await sendToGroup(url, member, group, "a"),
    await sendToGroup(url, member, group, "b"),
  ];
  const { id: keptAttachment } = await uploaded(url, kept, member);
  const { id: goneAttachment } = await uploaded(url, gone, member);
  const inline = { ciphertext_b64: "AAAA" };
  const { id: goneInline } = await act(url, member, `POST /messages/${gone}/attachments`, inline);

  await act(url, owner, `DELETE /messages/${gone}`);
  for (const id of [goneAttachment, goneInline]) expect((await download(url, id, owner)).status).toBe(404);
  expect((await upload(url, gone, member)).status).toBe(404);
  expect(await attachmentsOf(url, kept, owner.token)).toHaveLength(1);

  // Whoever had just found one may still begin to read it.
  aheadMs = 61_000;
  await runMaintenance(app);
  const blobs = await app.db.selectFrom("blobs").select("id").execute();
  const chunks = await app.db.selectFrom("blob_chunks").select("blob_id").execute();
  expect([blobs.length, chunks.length]).toEqual([1, 1]);
  expect(await (await download(url, keptAttachment, owner)).text()).toBe("bytes");
});

test("of a deletion and attachments at the same time, none is left over", async () => {
  let aheadMs = 0;
  await using server = await startTestServer({ now: () => new Date(Date.now() + aheadMs) });
  const { url, app } = server;
  const [owner] = await newMembers(url, 1);
  if (!owner) throw new Error("no member");
  const group = await newGroup(url, owner);
  const id = await sendToGroup(url, owner, group, "a");
  const sent = Array.from({ length: 6 }, () => upload(url, id, owner));
  await act(url, owner, `DELETE /messages/${id}`);
  for (const { status } of await Promise.all(sent)) expect([200, 404]).toContain(status);
  // Whoever had just found one may still begin to read it.
  aheadMs = 61_000;
  await runMaintenance(app);
  expect(await app.db.selectFrom("attachments").select("id").execute()).toEqual([]);
  expect(await app.db.selectFrom("blobs").select("id").execute()).toEqual([]);
});
