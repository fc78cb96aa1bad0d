import { type Client, SottoError } from "@sotto/sdk";
import type { Options } from "./options.ts";
import type { Terminal } from "./terminal.ts";

const tries = 3;

/** Asks for the code, and for the PIN where one is set. Throws what the third wrong one throws. */
export async function signIn(
  client: Client,
  terminal: Terminal,
  { phone, name }: Pick<Options, "phone" | "name">,
): Promise<void> {
  const { otpSession, devCode } = await client.requestOtp(phone);
  const sent =
    devCode === undefined
      ? `A code was sent to ${phone}.`
      : `This server is in development: no code is sent, it is ${devCode}. Enter takes it.`;
  terminal.print(sent);
  let otp = await terminal.ask("Code:");
  let pin: string | undefined;
  for (let attempt = 1; ; attempt++) {
    try {
      await client.signIn({
        phone,
        otp: otp || (devCode ?? ""),
        otpSession,
        name,
        pin,
        deviceName: "terminal",
      });
      return;
    } catch (error) {
      if (!(error instanceof SottoError) || attempt > tries) throw error;
      if (error.code === "PIN_REQUIRED" || error.code === "PIN_INVALID") {
        terminal.print(error.message);
        pin = await terminal.ask("Registration PIN:", { isSecret: true });
      } else if (error.code === "OTP_INVALID") {
        terminal.print(error.message);
        otp = await terminal.ask("Code:");
      } else throw error;
    }
  }
}

/** Says how this device gets in, where another one has to approve it. */
export async function sayLinkState(client: Client, terminal: Terminal): Promise<void> {
  if ((await client.identity.state()) !== "pending") return;
  const code = await client.devices.link();
  terminal.print(`Another device of yours has to let this one in. Type there:\n/approve ${code}`);
  terminal.print("Or, with a backup: /restore PATH");
}
