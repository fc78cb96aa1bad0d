import { createInterface } from "node:readline/promises";
import { createClient } from "@sotto/sdk";
import { fileStore } from "@sotto/sdk/node";

const { BOT_PHONE = "", BOT_PASSPHRASE = "", SOTTO_URL = "http://localhost:8091" } = process.env;
const store = await fileStore("bot.sotto", { passphrase: BOT_PASSPHRASE });
const client = await createClient({ url: SOTTO_URL, store });
if (!client.me) {
  const terminal = createInterface(process.stdin, process.stdout);
  const { otpSession, devCode = await terminal.question("Code: ") } = await client.requestOtp(BOT_PHONE);
  await client.signIn({ phone: BOT_PHONE, otp: devCode, otpSession, name: "Echo" });
  terminal.close();
}
await client.start();
for await (const message of client.messages()) {
  if (message.kind !== "text" || message.isOwn) continue;
  const conversation = await client.conversations.get(message.conversationId);
  const clientMessageId = message.id; // the same id when it is asked again after a crash: answered once
  await conversation?.reply(message, `You said: ${message.text}`, { clientMessageId }).catch(console.error);
}
