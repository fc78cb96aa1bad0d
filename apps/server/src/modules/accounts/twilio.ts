import type { Config } from "../../config.ts";
import { postOutside } from "./outgoing-post.ts";

/** Twilio's Programmable Messaging, "Create a Message": form-encoded, with basic authentication. */
export async function postToTwilio(config: Config, message: { phone: string; code: string }): Promise<void> {
  const { TWILIO_ACCOUNT_SID: account, TWILIO_FROM: from, TWILIO_MESSAGING_SERVICE_SID: service } = config;
  if (!account) throw new Error("TWILIO_ACCOUNT_SID is not set");
  const form = new URLSearchParams({ To: message.phone, Body: writeText(config, message.code) });
  if (from) form.set("From", from);
  if (service) form.set("MessagingServiceSid", service);
  await postOutside(
    `${config.TWILIO_BASE_URL.replace(/\/+$/, "")}/2010-04-01/Accounts/${account}/Messages.json`,
    {
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        authorization: `Basic ${Buffer.from(credentials(config, account)).toString("base64")}`,
      },
      body: form.toString(),
    },
  );
}

/** An API key can be revoked alone, so it is taken where there is one. */
function credentials(config: Config, account: string): string {
  const { TWILIO_API_KEY_SID: key, TWILIO_API_KEY_SECRET: keySecret, TWILIO_AUTH_TOKEN: token } = config;
  if (key && keySecret) return `${key}:${keySecret}`;
  if (token) return `${account}:${token}`;
  throw new Error("Neither TWILIO_AUTH_TOKEN nor an API key is set");
}

function writeText(config: Config, code: string): string {
  return config.OTP_TEXT.replaceAll("{app}", () => config.OTP_APP_NAME).replaceAll("{code}", code);
}
