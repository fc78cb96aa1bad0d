import type { Client, Me } from "@sotto/sdk";

/** With the code that a server in development gives. */
export async function signIn(client: Client, phone: string): Promise<Me> {
  const { otpSession, devCode = "" } = await client.requestOtp(phone);
  return client.signIn({ phone, otp: devCode, otpSession, deviceName: "a browser" });
}
