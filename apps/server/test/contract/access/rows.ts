import { randomUUID } from "node:crypto";
import { encodeDeviceList } from "@sotto/schema";
import { randomPhone, rest, signIn } from "../../rest-client.ts";
import type { Role, Scene } from "./scene.ts";

/** What a call of a procedure gives to each role. */
export interface Row {
  what: string;
  input?: (scene: Scene, role: Role) => object | Promise<object>;
  expect: Record<Role, number>;
  /** Leaves the scene as it is, for the next call. */
  keeps?: boolean;
  /** Called with the token of somebody new, who is as good as any and is not needed again. */
  byAnother?: boolean;
}

/** The same to everybody. */
export function to(status: number): Record<Role, number> {
  return { owner: status, admin: status, member: status, former: status, stranger: status, blocked: status };
}

/** Strangers are told that there is nothing. */
export const hidden = to(404);
/** Whoever is in the group. */
export const members = { ...hidden, owner: 200, admin: 200, member: 200, blocked: 200 };
/** Whoever is or was in the group, for what was there at that time. */
export const readers = { ...members, former: 200 };
export const moderators = { ...members, member: 403, blocked: 403 };
export const owner = { ...moderators, admin: 403 };

/** Of a conversation of two: others are strangers to it. */
export function pair(ofOwner: number, ofBlocked: number): Record<Role, number> {
  return { ...hidden, owner: ofOwner, blocked: ofBlocked };
}

const anybody = (input?: Row["input"]): Row[] => [
  { what: "anybody's own", ...(input ? { input } : {}), expect: to(200), keeps: true },
];

/** A row for the group's message, one that the former member never had, and one of two. */
export function onMessages(
  fields: object,
  expected: { before: Row["expect"]; after?: Row["expect"]; direct: Row["expect"]; keeps?: boolean },
): Row[] {
  const { before, after = members, direct, keeps = true } = expected;
  const row = (what: string, pick: (scene: Scene) => string, expect: Row["expect"]): Row => ({
    what,
    input: (scene) => ({ messageId: pick(scene), ...fields }),
    expect,
    keeps,
  });
  return [
    row("a message of the group", (scene) => scene.before, before),
    row("one after the former member left", (scene) => scene.after, after),
    row("a message of two", (scene) => scene.directMessage, direct),
  ];
}

/** A row for the group, and one for a conversation of two. */
export function onConversations(
  fields: object,
  expected: { group: Row["expect"]; direct: Row["expect"] },
): Row[] {
  return [
    {
      what: "the group",
      input: (scene) => ({ conversationId: scene.group, ...fields }),
      expect: expected.group,
      keeps: true,
    },
    {
      what: "a conversation of two",
      input: (scene) => ({ conversationId: scene.direct, ...fields }),
      expect: expected.direct,
      keeps: true,
    },
  ];
}

async function verification({ url }: Scene): Promise<object> {
  const phone = randomPhone();
  const { body } = await rest(url, "POST /auth/request_otp", { body: { phone } });
  return { phone, otp: body["dev_code"], sessionId: body["otp_session"] };
}

/** The server judges the chain alone, not who signed it. */
function firstListOf(userId: string): string {
  const [uik, signature] = [new Uint8Array(32), new Uint8Array(64)];
  return encodeDeviceList({ userId, version: 1, prevHash: null, issuedSec: 1, uik, devices: [], signature });
}

const accountRows: Record<string, Row[]> = {
  "auth.requestOtp": anybody(() => ({ phone: randomPhone() })),
  "auth.verifyOtp": anybody(verification),
  "auth.logout": [{ what: "one's own session", expect: to(200), keeps: true, byAnother: true }],
  "auth.getPin": anybody(),
  "auth.setPin": [
    { what: "one's own", input: () => ({ pin: "1234" }), expect: to(200), keeps: true, byAnother: true },
  ],
  "auth.removePin": [{ what: "one's own", expect: to(200), keeps: true, byAnother: true }],
  "keys.publish": anybody(() => ({ deviceId: "phone", publicKey: "k" })),
  "keys.listMine": anybody(),
  "keys.list": anybody(({ cast }) => ({ userId: cast.owner.id })),
  "keys.listMany": anybody(({ cast }) => ({ userIds: [cast.owner.id] })),
  "keys.update": [
    ...anybody(() => ({ deviceId: "phone", deviceName: "n" })),
    {
      what: "another's",
      input: () => ({ deviceId: "of-other", deviceName: "n" }),
      expect: hidden,
      keeps: true,
    },
  ],
  "keys.remove": [
    { what: "another's", input: () => ({ deviceId: "of-other" }), expect: hidden, keeps: true },
  ],
  "deviceLists.publish": anybody(({ cast }, role) => ({ list: firstListOf(cast[role].id) })),
  "deviceLists.get": anybody(({ cast }) => ({ userId: cast.owner.id, sinceVersion: 0 })),
  "deviceLists.getMany": anybody(({ cast }) => ({ users: [{ userId: cast.owner.id }] })),
  "deviceLists.getHandover": anybody(),
  "contacts.add": anybody(({ cast }) => ({ phone: cast.other.phone })),
  "contacts.list": anybody(),
  "blocks.add": anybody(async ({ url }) => ({ blockedUserId: (await signIn(url)).id })),
  "blocks.remove": anybody(({ cast }) => ({ blockedUserId: cast.other.id })),
  "blocks.list": anybody(),
  "presence.get": anybody(({ cast }) => ({ userId: cast.other.id })),
  "presence.ping": anybody(),
};

const sending = { senderDeviceId: "phone", ciphertext: "c" };

const messageRows: Record<string, Row[]> = {
  "conversations.open": anybody(({ cast }) => ({ peerUserId: cast.other.id })),
  "messages.send": [
    {
      what: "to somebody",
      input: ({ cast }) => ({ recipientUserId: cast.other.id, ...sending }),
      expect: to(200),
      keeps: true,
    },
    {
      what: "to the owner, who blocks the blocked one",
      input: ({ cast }) => ({ recipientUserId: cast.owner.id, ...sending }),
      expect: { ...to(200), owner: 400, blocked: 403 },
      keeps: true,
    },
    {
      what: "to the blocked one",
      input: ({ cast }) => ({ recipientUserId: cast.blocked.id, ...sending }),
      expect: { ...to(200), owner: 403, blocked: 400 },
      keeps: true,
    },
  ],
  "messages.sendGroup": onConversations(sending, { group: members, direct: hidden }),
  "messages.inbox": anybody(),
  "messages.ackDelivered": onMessages({}, { before: readers, direct: pair(200, 404) }),
  "messages.ackRead": onMessages({}, { before: readers, direct: pair(200, 404) }),
  "messages.ackDeliveredDevice": onMessages(
    { deviceId: "phone" },
    { before: readers, direct: pair(200, 404) },
  ),
  "messages.ackReadThrough": onMessages({}, { before: readers, direct: pair(200, 200) }),
  "messages.ackReadDevice": onMessages({ deviceId: "phone" }, { before: readers, direct: pair(200, 404) }),
  "messages.receipts": onMessages({}, { before: readers, direct: pair(200, 200) }),
  "messages.history": onConversations({}, { group: readers, direct: pair(200, 200) }),
  "messages.search": onConversations({}, { group: readers, direct: pair(200, 200) }),
  "messages.conversations": anybody(),
  "messages.conversationsSummary": anybody(),
  "messages.typing": onConversations({ isTyping: false }, { group: members, direct: pair(200, 200) }),
  "messages.delete": onMessages(
    {},
    { before: moderators, after: moderators, direct: pair(400, 400), keeps: false },
  ),
  "reactions.add": onMessages({ emoji: "👍" }, { before: members, direct: pair(403, 403) }),
  "reactions.list": onMessages({}, { before: readers, direct: pair(200, 200) }),
  "reactions.remove": onMessages({ emoji: "👍" }, { before: members, direct: pair(200, 200) }),
  "archive.export": onConversations({}, { group: readers, direct: pair(200, 200) }),
  // Nothing is imported twice, so that each call has something of its own.
  "archive.import": [
    {
      what: "the group",
      input: ({ group }) => ({ conversationId: group, messages: [{ ciphertext: randomUUID() }] }),
      expect: readers,
      keeps: true,
    },
    {
      what: "a conversation of two",
      input: ({ direct }) => ({ conversationId: direct, messages: [{ ciphertext: randomUUID() }] }),
      expect: pair(200, 200),
      keeps: true,
    },
  ],
};

/** Only a message's own sender attaches to it: here nobody, but for the blocked one. */
const notTheSender = {
  before: { ...to(403), stranger: 404 },
  after: { ...to(403), former: 404, stranger: 404 },
};

const attachmentRows: Record<string, Row[]> = {
  "attachments.add": onMessages({ ciphertextB64: "YWJj" }, { ...notTheSender, direct: pair(403, 403) }),
  "attachments.upload": onMessages({ body: Buffer.from("abc") }, { ...notTheSender, direct: pair(403, 403) }),
  "attachments.attach": onMessages(
    { uploadId: "01999999-9999-7999-8999-999999999999" },
    { ...notTheSender, direct: pair(403, 403) },
  ),
  "attachments.list": onMessages({}, { before: readers, direct: pair(200, 200) }),
  "attachments.download": [readers, members].map((expect, which) => ({
    what: which === 0 ? "of a message of the group" : "of one after the former member left",
    input: ({ attachments }) => ({ attachmentId: attachments[which] }),
    expect,
    keeps: true,
  })),
};

const ofNobody = { uploadId: "01999999-9999-7999-8999-999999999999" };

const uploadRows: Record<string, Row[]> = {
  "uploads.create": anybody(() => ({ sizeBytes: 3 })),
  "uploads.get": [
    { what: "another's", input: ({ upload }) => ({ uploadId: upload }), expect: hidden, keeps: true },
  ],
  "uploads.append": [
    {
      what: "another's",
      input: ({ upload }) => ({ uploadId: upload, offset: 0, body: Buffer.from("abc") }),
      expect: hidden,
      keeps: true,
    },
  ],
  "uploads.cancel": anybody(() => ofNobody),
};

const onGroup = (what: string, expect: Row["expect"], more: (scene: Scene) => object = () => ({})): Row => ({
  what,
  input: (scene) => ({ conversationId: scene.group, ...more(scene) }),
  expect,
});

/** The smallest image there is. */
const gif = Buffer.from("R0lGODlhAQABAAAAACwAAAAAAQABAAAC", "base64");

const groupRows: Record<string, Row[]> = {
  "groups.create": anybody(({ cast }) => ({ name: "N", memberUserIds: [cast.other.id] })),
  "groups.list": anybody(),
  "groups.get": [onGroup("its members", members)],
  "groups.rename": [onGroup("its name", owner, () => ({ name: "Pier" }))],
  "groups.addMembers": [
    onGroup("a stranger", moderators, ({ cast }) => ({ memberUserIds: [cast.stranger.id] })),
  ],
  "groups.removeMember": [
    onGroup("a member", moderators, ({ cast }) => ({ userId: cast.other.id })),
    onGroup("the owner", { ...owner, owner: 409 }, ({ cast }) => ({ userId: cast.owner.id })),
    onGroup("an admin", { ...owner, admin: 200 }, ({ cast }) => ({ userId: cast.admin.id })),
  ],
  "groups.leave": [onGroup("oneself", { ...members, owner: 409 })],
  "groups.setRole": [onGroup("of a member", owner, ({ cast }) => ({ userId: cast.other.id, role: "admin" }))],
  "groups.transferOwnership": [
    onGroup("to a member", owner, ({ cast }) => ({ newOwnerUserId: cast.other.id })),
  ],
  "groups.setAvatarUrl": [onGroup("the group's", owner, () => ({ url: "https://pictures.example/b.png" }))],
  "groups.uploadAvatar": [onGroup("the group's", owner, () => ({ body: gif }))],
  "groups.avatar": [onGroup("the group's", members)],
  "groups.archive": [onGroup("the group", owner)],
  "invites.create": [onGroup("of the group", moderators)],
  "invites.list": [onGroup("of the group", moderators)],
  "invites.revoke": [onGroup("of the group", moderators, ({ invite }) => ({ code: invite }))],
  "invites.preview": anybody(({ invite }) => ({ code: invite })),
  "invites.accept": [
    { what: "whoever has the code", input: ({ invite }) => ({ code: invite }), expect: to(200) },
  ],
  "audit.list": onConversations({}, { group: moderators, direct: hidden }),
};

const paymentsRows: Record<string, Row[]> = {
  "payments.receive": [{ what: "whoever has not signed it", expect: to(403), keeps: true }],
};

const onLogs = (input: (log: string) => object): Row[] => [
  { what: "the group's log", input: ({ group }) => input(group), expect: readers, keeps: true },
  { what: "a log of two", input: ({ direct }) => input(direct), expect: pair(200, 200), keeps: true },
  {
    what: "the owner's account log",
    input: ({ cast }) => input(cast.owner.id),
    expect: { ...hidden, owner: 200 },
    keeps: true,
  },
];

const syncRows: Record<string, Row[]> = {
  "sync.ack": onLogs((log) => ({ positions: [{ log, seq: 1 }] })),
  "sync.fill": onLogs((log) => ({ log, fromSeq: 1, toSeq: 1 })),
  "sync.log": onLogs((log) => ({ log })),
};

/** By procedure: all but those in `elsewhere`. */
export const rows: Record<string, Row[]> = {
  ...accountRows,
  ...messageRows,
  ...attachmentRows,
  ...uploadRows,
  ...groupRows,
  ...paymentsRows,
  ...syncRows,
};

/** What has an access test of its own, and where. */
export const elsewhere: Record<string, string> = {
  "sync.subscribe": "scenarios/subscriber-is-cut-off and leavers-and-joiners",
};
