import type { Conversation, Message } from "@sotto/sdk";
import type { Chat } from "./chat.ts";
import { exportHistory, readBackup, saveFile, sendFile, writeWhole } from "./files.ts";

interface Command {
  usage: string;
  says: string;
  run: (chat: Chat, rest: string) => void | Promise<void>;
}

/** The first word, and what follows it. */
function splitWord(rest: string): [string | undefined, string] {
  const [, word, after = ""] = /^(\S+)\s*(.*)$/s.exec(rest) ?? [];
  return [word, after];
}

function requireText(text: string, usage: string): string {
  if (text === "") throw new Error(`Usage: ${usage}`);
  return text;
}

/** A command that does something to a message with what is typed behind the message's number. */
function onMessage(
  usage: string,
  says: string,
  act: (conversation: Conversation, message: Message, text: string) => Promise<unknown>,
): Command {
  return {
    usage,
    says,
    async run(chat, rest) {
      const [label, text] = splitWord(rest);
      const message = await chat.message(label);
      chat.run(() => act(chat.conversation, message, requireText(text, usage)));
    },
  };
}

/** Ends the chat; not an error. */
export class Quit extends Error {}

const commands: Record<string, Command> = {
  list: { usage: "/list", says: "your conversations", run: (chat) => chat.list() },
  open: {
    usage: "/open NUMBER",
    says: "opens by phone number, by number of the list, or by a group's name",
    run: (chat, rest) => chat.open(requireText(rest, "/open NUMBER")),
  },
  reply: onMessage("/reply #N TEXT", "answers a message", (conversation, message, text) =>
    conversation.reply(message, text),
  ),
  react: onMessage("/react #N EMOJI", "puts an emoji on a message", (conversation, message, text) =>
    conversation.react(message, text),
  ),
  edit: onMessage("/edit #N TEXT", "changes a message of yours", (conversation, message, text) =>
    conversation.edit(message, text),
  ),
  delete: {
    usage: "/delete #N",
    says: "deletes a message of yours for everyone",
    async run(chat, rest) {
      const message = await chat.message(rest);
      chat.run(() => chat.conversation.delete(message));
    },
  },
  file: {
    usage: "/file PATH",
    says: "sends a file",
    run: (chat, rest) => chat.run(() => sendFile(chat, requireText(rest, "/file PATH"))),
  },
  save: {
    usage: "/save #N PATH",
    says: "keeps the file of a message",
    run(chat, rest) {
      const [label, path] = splitWord(rest);
      chat.run(() => saveFile(chat, label, requireText(path, "/save #N PATH")));
    },
  },
  group: {
    usage: "/group NAME [NUMBER]…",
    says: "makes a group, and opens it",
    async run(chat, rest) {
      const [, name = "", phones = ""] = /^([^+]*)(.*)$/s.exec(rest) ?? [];
      requireText(name.trim(), "/group NAME [NUMBER]…");
      const memberUserIds: string[] = [];
      for (const phone of phones.split(/\s+/)) {
        if (phone !== "") memberUserIds.push(await chat.people.find(phone));
      }
      await chat.show(await chat.client.groups.create(name.trim(), { memberUserIds }), name.trim());
    },
  },
  add: {
    usage: "/add NUMBER",
    says: "adds somebody to the group",
    async run(chat, rest) {
      await chat.group.addMembers([await chat.people.find(rest)]);
    },
  },
  remove: {
    usage: "/remove NUMBER",
    says: "takes somebody out of the group",
    async run(chat, rest) {
      await chat.group.removeMember(await chat.people.find(rest));
    },
  },
  members: {
    usage: "/members",
    says: "who is in the group",
    async run(chat) {
      for (const { userId, role } of (await chat.group.info()).members) {
        chat.terminal.print(`${chat.people.nameOf(userId)}  ${role}`);
      }
    },
  },
  leave: { usage: "/leave", says: "leaves the group", run: (chat) => chat.group.leave() },
  safety: {
    usage: "/safety [ok]",
    says: "the number to compare with the other one; ok: it was the same",
    async run(chat, rest) {
      const { peerUserId } = chat.conversation;
      if (peerUserId === null)
        throw new Error("Safety numbers are between two: open a conversation with one");
      if (rest === "ok") await chat.client.identity.setVerified(peerUserId, true);
      const number = await chat.client.identity.safetyNumber(peerUserId);
      const { isVerified } = await chat.client.identity.of(peerUserId);
      chat.terminal.print(number?.digits.match(/.{5}/g)?.join(" ") ?? "One of you has no identity key");
      chat.terminal.print(isVerified ? "Verified." : "Not verified: compare it, then /safety ok");
    },
  },
  devices: {
    usage: "/devices [remove ID]",
    says: "your devices",
    async run(chat, rest) {
      const [action, id] = splitWord(rest);
      if (action === "remove") await chat.client.devices.remove(id);
      for (const device of await chat.client.devices.list()) {
        const state = device.isListed ? "linked" : "waits for approval";
        const own = device.isThisDevice ? ", this one" : "";
        chat.terminal.print(`${device.deviceId}  ${device.deviceName ?? "unnamed"}  ${state}${own}`);
      }
    },
  },
  approve: {
    usage: "/approve CODE",
    says: "lets another device of yours in",
    async run(chat, rest) {
      await chat.client.devices.approve(requireText(rest, "/approve CODE"));
      chat.terminal.print("The device is let in.");
    },
  },
  backup: {
    usage: "/backup PATH",
    says: "writes identity and messages to a file, and shows the key that opens it",
    async run(chat, rest) {
      const path = requireText(rest, "/backup PATH");
      const key = await chat.client.backup.generateRecoveryKey();
      await writeWhole(await chat.client.backup.export(key), path);
      chat.terminal.print(`Written to ${path}. Only this key opens it; it is not shown again:\n${key}`);
    },
  },
  export: {
    usage: "/export PATH",
    says: "writes all that was said to a file that anyone can read (JSON Lines)",
    run(chat, rest) {
      chat.run(() => exportHistory(chat, requireText(rest, "/export PATH")));
    },
  },
  restore: {
    usage: "/restore PATH",
    says: "takes a backup in, on a new device",
    async run(chat, rest) {
      const file = await readBackup(requireText(rest, "/restore PATH"));
      await chat.client.backup.restore(file, await chat.terminal.ask("Recovery key:", { isSecret: true }));
      chat.terminal.print("Restored.");
    },
  },
  help: {
    usage: "/help",
    says: "this list",
    run(chat) {
      for (const { usage, says } of Object.values(commands))
        chat.terminal.print(`${usage.padEnd(24)}${says}`);
      chat.terminal.print("Everything else is sent to the open conversation.");
    },
  },
  quit: {
    usage: "/quit",
    says: "ends; what is unsent is sent at the next start",
    run: () => {
      throw new Quit();
    },
  },
};

/** What was typed: a command, or a text. Throws what is to be said about it, and {@link Quit}. */
export async function perform(chat: Chat, line: string): Promise<void> {
  if (line.trim() === "") return;
  if (!line.startsWith("/")) {
    const { conversation } = chat;
    chat.run(() => conversation.send(line));
    return;
  }
  const [name = "", rest] = splitWord(line.slice(1).trim());
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) throw new Error(`No command /${name}: see /help`);
  await command.run(chat, rest);
}
