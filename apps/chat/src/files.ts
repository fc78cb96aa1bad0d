import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { basename } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ExportProgress, FileProgress } from "@sotto/sdk";
import type { Chat } from "./chat.ts";

/** Says how far a transfer is at each tenth of it. */
function progressOf(chat: Chat, name: string, size: number): (progress: FileProgress) => void {
  let told = "";
  return ({ phase, done, total }) => {
    const tenth = `${phase} ${Math.floor((done / Math.max(1, total ?? size)) * 10) * 10} %`;
    if (tenth === told) return;
    told = tenth;
    chat.terminal.print(`${name}: ${tenth}`);
  };
}

export async function sendFile(chat: Chat, path: string): Promise<void> {
  const { size } = await stat(path);
  const name = basename(path);
  const onProgress = progressOf(chat, name, size);
  await chat.conversation.sendFile(createReadStream(path), { name, onProgress });
}

/** An existing file is left alone. */
export async function exportHistory(chat: Chat, path: string): Promise<void> {
  await requireFree(path);
  const { nameOf } = chat.people;
  const done = { messages: 0 };
  const onProgress = ({ messages }: ExportProgress) => Object.assign(done, { messages });
  await writeWhole(await chat.client.conversations.export({ nameOf, onProgress }), path);
  chat.terminal.print(`Written to ${path}, not encrypted: ${done.messages} messages`);
}

async function requireFree(path: string): Promise<void> {
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  if (isThere) throw new Error(`${path} is there already`);
}

/** Under its name only once all of it is there and right. An existing file is left alone. */
export async function saveFile(chat: Chat, label: string | undefined, path: string): Promise<void> {
  const { content } = await chat.message(label);
  if (content.kind !== "file") throw new Error("That message is no file");
  await requireFree(path);
  const onProgress = progressOf(chat, basename(path), content.size);
  await writeWhole(chat.client.files.download(content, { onProgress }), path);
  chat.terminal.print(`Saved as ${path}`);
}

export async function writeWhole(stream: ReadableStream<Uint8Array>, path: string): Promise<void> {
  const partial = `${path}.partial`;
  try {
    await pipeline(Readable.from(chunksOf(stream)), createWriteStream(partial, { mode: 0o600 }));
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

async function* chunksOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel();
  }
}

export async function readBackup(path: string): Promise<ReadableStream<Uint8Array>> {
  await stat(path);
  return Readable.toWeb(createReadStream(path)) as ReadableStream<Uint8Array>;
}
