import { type Message, type MessageContent, SottoError } from "@sotto/sdk";

/** How a user is called here. */
export type NameOf = (userId: string) => string;

/** One line of a conversation. `label`: what commands call it. */
export function describeMessage(message: Message, label: number, nameOf: NameOf): string {
  const time = new Date(message.sentAt).toTimeString().slice(0, 5);
  const reactions = message.reactions.map(
    ({ emoji, userIds }) => `${emoji} ${userIds.map(nameOf).join(", ")}`,
  );
  const notes = [
    ...(message.editedAtMs === null ? [] : ["edited"]),
    ...(message.isOwn && message.content.kind !== "group" ? [describeState(message)] : []),
    ...reactions,
    ...(message.assurance === "basic" ? ["sender not proven"] : []),
  ];
  const shown = `#${label} ${time} ${nameOf(message.senderUserId)}: ${describeContent(message.content, nameOf)}`;
  return notes.length === 0 ? shown : `${shown}  (${notes.join("; ")})`;
}

function describeState({ state, error, receipts }: Message): string {
  if (state === "failed") return `failed: ${error ?? "unknown"}`;
  const { recipients, delivered = 0, read = 0 } = receipts ?? {};
  if (state !== "sent" || !recipients || recipients === 1 || delivered === 0) return state;
  return `delivered to ${delivered}, read by ${read} of ${recipients}`;
}

function describeContent(content: MessageContent, nameOf: NameOf): string {
  switch (content.kind) {
    case "text":
      return `${content.replyTo ? `↳ ${nameOf(content.replyTo.senderUserId)} ` : ""}${printable(content.text)}`;
    case "file": {
      const caption = content.caption === undefined ? "" : ` ${printable(content.caption)}`;
      return `[file ${printable(content.name)}, ${content.size} bytes]${caption}`;
    }
    case "deleted":
      return `[deleted by ${content.by === "author" ? "its author" : "a moderator"}]`;
    case "unreadable":
      return `[cannot be read here: ${content.reason}]`;
    case "opaque":
      return "[of a client that does not encrypt as this one does]";
    case "unknown":
      return "[of a later version]";
    case "group":
      return `[${content.action} ${[content.name ?? "", ...content.userIds.map(nameOf)].join(" ").trim()}]`;
  }
}

/** What others wrote must not command the terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (character) => (character === "\n" ? "\n    " : "�"));
}

/** A sentence for whoever types. */
export function describeError(error: unknown): string {
  if (error instanceof SottoError) return `${error.message} (${error.code})`;
  return error instanceof Error ? error.message : String(error);
}
