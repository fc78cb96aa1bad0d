import type { Config } from "../../config.ts";
import { postToGateway } from "./sms-gateway.ts";
import { postToTwilio } from "./twilio.ts";

/** Brings a code to a phone. Rejects when it could not be handed over. */
export interface OtpSender {
  /** The code that everybody knows, in dev; undefined: a random one is made. */
  fixedCode: string | undefined;
  send(message: { phone: string; code: string; at: Date }): Promise<void>;
}

export function createOtpSender(config: Config): OtpSender {
  switch (config.OTP_MODE) {
    case "dev":
      return { fixedCode: "123456", send: async () => {} };
    case "http":
      return { fixedCode: undefined, send: (message) => postToGateway(config, message) };
    case "twilio":
      return { fixedCode: undefined, send: (message) => postToTwilio(config, message) };
  }
}
