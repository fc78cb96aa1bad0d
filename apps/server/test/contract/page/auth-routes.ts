import { randomPhone, rest } from "../../rest-client.ts";
import { aString, type Asked, type PageRoute } from "./page.ts";
import type { World } from "./world.ts";

const phones = [
  "",
  "4915112345678",
  "+49",
  "+49 151 12345678",
  "+0915112345678",
  "+49151123456789012",
  "+49a",
];

async function verification({ url }: World): Promise<Asked & { body: Record<string, unknown> }> {
  const phone = randomPhone();
  const { body } = await rest(url, "POST /auth/request_otp", { body: { phone } });
  return { body: { phone, otp: body["dev_code"], session_id: body["otp_session"], name: "Ada" } };
}

export const authRoutes: PageRoute[] = [
  {
    route: "POST /auth/request_otp",
    auth: "none",
    good: () => ({ body: { phone: randomPhone() } }),
    answer: () => ({ detail: "OTP sent", otp_session: aString, dev_code: aString }),
    wrong: { phone: [5, true, null, [], {}, ["+4915112345678"]] },
    required: ["phone"],
    refusals: phones.map((phone) => ({
      status: 400,
      detail: "Invalid phone",
      why: `the phone ${JSON.stringify(phone)}`,
      ask: () => ({ body: { phone } }),
    })),
    again: "another",
  },
  {
    route: "POST /auth/verify_otp",
    auth: "none",
    good: verification,
    answer: () => ({ access_token: aString, token_type: "bearer" }),
    wrong: {
      phone: [5, true, null, [], {}],
      otp: [5, 123_456, true, null, [], {}, ""],
      session_id: [5, true, [], {}],
      name: [5, true, [], {}, "x".repeat(129)],
    },
    required: ["phone", "otp"],
    refusals: [
      {
        status: 400,
        detail: "Invalid OTP",
        why: "a wrong code",
        ask: async (world) => {
          const { body } = await verification(world);
          return { body: { ...body, otp: body["otp"] === "111111" ? "222222" : "111111" } };
        },
      },
      {
        status: 400,
        detail: "Invalid OTP",
        why: "a phone that asked for none",
        ask: () => ({ body: { phone: randomPhone(), otp: "111111" } }),
      },
      {
        status: 400,
        detail: "Invalid OTP",
        why: "another request's session",
        ask: async (world) => {
          const [asked, other] = [await verification(world), await verification(world)];
          return { body: { ...asked.body, session_id: other.body["session_id"] } };
        },
      },
    ],
    again: { status: 400, detail: "Invalid OTP" },
  },
];
