import type { StoredMessage } from "./records.ts";

/** The text of a message as it is shown now, and found; undefined for one without. */
export function shownText({
  content,
  overlay,
}: Pick<StoredMessage, "content" | "overlay">): string | undefined {
  if (content.kind === "text") return overlay.edit?.text ?? content.text;
  if (content.kind !== "file") return undefined;
  return [content.name, overlay.edit?.text ?? content.caption ?? ""].join("\n");
}
