/** A client in a page, for a test that drives it from outside. */
import { type Client, createClient } from "@sotto/sdk";
import { indexedDbStore } from "@sotto/sdk/browser";
import { signIn } from "./sign-in.ts";

let client: Client | undefined;
const received: string[] = [];
let onReceived = (): void => {};

function opened(): Client {
  if (!client) throw new Error("not opened");
  return client;
}

export const chat = {
  /** Gives who is signed in in this browser. */
  async open(url: string) {
    client = await createClient({ url, store: await indexedDbStore("chat") });
    return client.me;
  },

  signIn: (phone: string) => signIn(opened(), phone),

  async start(): Promise<void> {
    await opened().start();
    void (async () => {
      for await (const message of opened().messages()) {
        received.push(message.kind === "text" ? message.text : message.kind);
        onReceived();
      }
    })();
  },

  async send(userId: string, text: string): Promise<void> {
    await opened().conversations.with(userId).send(text);
  },

  /** Gives all that came since the page was opened. */
  async untilReceived(text: string): Promise<string[]> {
    while (!received.includes(text)) {
      await new Promise<void>((resolve) => {
        onReceived = resolve;
      });
    }
    return received;
  },

  async close(): Promise<void> {
    await client?.close();
  },
};
