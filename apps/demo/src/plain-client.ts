import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { WebSocket } from "ws";

interface Message {
  id: string;
  ciphertext: string;
  wrap: string | null;
}

/** A client without the SDK: REST and the plain `/ws`, as docs/PROTOCOL.md describes them. */
export class PlainClient implements AsyncDisposable {
  readonly userId: string;
  readonly received: Message[] = [];
  readonly #url: string;
  readonly #token: string;
  readonly #socket: WebSocket;

  private constructor(options: { url: string; token: string; socket: WebSocket }) {
    const [, claims = ""] = options.token.split(".");
    this.userId = (JSON.parse(Buffer.from(claims, "base64url").toString()) as { sub: string }).sub;
    this.#url = options.url;
    this.#token = options.token;
    this.#socket = options.socket;
    this.#socket.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as { type: string; message?: Message };
      if (frame.type === "message" && frame.message) this.received.push(frame.message);
    });
  }

  static async signIn(url: string, phone: string): Promise<PlainClient> {
    const asked = await post(url, "/auth/request_otp", { body: { phone } });
    const verified = await post(url, "/auth/verify_otp", { body: { phone, otp: asked["dev_code"] } });
    const token = String(verified["access_token"]);
    // A bare X25519 key: any 32 bytes are one.
    const publicKey = randomBytes(32).toString("base64");
    await post(url, "/keys/publish", { token, body: { device_id: "plain", public_key: publicKey } });
    const socket = new WebSocket(`${url.replace(/^http/, "ws")}/ws?token=${token}`);
    await once(socket, "open");
    return new PlainClient({ url, token, socket });
  }

  /** Sends any text as ciphertext; gives the message's id. */
  async send(to: string, ciphertext: string, clientMessageId: string): Promise<string> {
    const body = {
      recipient_user_id: to,
      sender_device_id: "plain",
      ciphertext,
      client_message_id: clientMessageId,
    };
    const sent = await post(this.#url, "/messages/send", { token: this.#token, body });
    return String(sent["id"]);
  }

  async untilReceived(count: number): Promise<void> {
    while (this.received.length < count) await once(this.#socket, "message");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await once(this.#socket, "close");
  }
}

async function post(
  url: string,
  path: string,
  options: { token?: string; body: object },
): Promise<Record<string, unknown>> {
  const response = await fetch(url + path, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(options.token ? { authorization: `Bearer ${options.token}` } : {}),
    },
    body: JSON.stringify(options.body),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}
