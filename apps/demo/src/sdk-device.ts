import { createClient, type Client, type ReceivedMessage, type Store } from "@sotto/sdk";

const waitMs = 20_000;

/** One device on the SDK, with everything that its stream has given so far. */
export class SdkDevice implements AsyncDisposable {
  readonly name: string;
  readonly client: Client;
  readonly read: string[] = [];
  #changed = Promise.withResolvers<void>();

  private constructor(name: string, client: Client) {
    this.name = name;
    this.client = client;
  }

  /** Opens the device on its store; signs in unless the store holds a session. */
  static async open(options: { name: string; url: string; store: Store; phone: string }): Promise<SdkDevice> {
    const { name, url, store, phone } = options;
    const device = new SdkDevice(name, await createClient({ url, store }));
    if (!device.client.me) {
      const { otpSession, devCode } = await device.client.requestOtp(phone);
      if (!devCode) throw new Error("The demo needs a server with OTP_MODE=dev");
      await device.client.signIn({ phone, otp: devCode, otpSession, deviceName: name });
    }
    await device.client.start();
    void device.#readOn();
    return device;
  }

  /** Another device of the same user reads this one's code and lets it in. */
  async getApprovedBy(other: SdkDevice): Promise<this> {
    await other.client.devices.approve(await this.client.devices.link());
    await this.client.identity.check();
    return this;
  }

  get userId(): string {
    return this.client.me?.userId ?? "";
  }

  /** Waits until the stream has given this many messages. */
  async untilRead(count: number): Promise<void> {
    const timeout = AbortSignal.timeout(waitMs);
    const late = new Promise<never>((_resolve, reject) => {
      timeout.addEventListener("abort", () =>
        reject(new Error(`${this.name} read ${this.read.length} of ${count} messages in ${waitMs} ms`)),
      );
    });
    while (this.read.length < count) await Promise.race([this.#changed.promise, late]);
  }

  async #readOn(): Promise<void> {
    for await (const message of this.client.messages()) {
      this.read.push(describe(message));
      this.#changed.resolve();
      this.#changed = Promise.withResolvers<void>();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.client.close();
  }
}

function describe(message: ReceivedMessage): string {
  switch (message.kind) {
    case "text":
      return message.text;
    case "opaque":
      return `opaque: ${message.ciphertext}`;
    case "unreadable":
      return `unreadable: ${message.reason}`;
    case "unknown":
      return `unknown: ${message.type}`;
    case "file":
      return `file: ${message.name}`;
    case "edit":
    case "reaction":
    case "deletion":
    case "deleted":
      return message.kind;
  }
}
