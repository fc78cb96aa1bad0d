import { importPKCS8, SignJWT } from "jose";
import { z } from "zod";
import type { Config } from "../../config.ts";
import type { Post } from "../../egress/post.ts";
import { PushDelayed, pushTimeoutMs, requireSuccess, type PushProvider } from "./push-provider.ts";

type ServiceAccount = NonNullable<Config["FCM_SERVICE_ACCOUNT_JSON"]>;

const scope = "https://www.googleapis.com/auth/firebase.messaging";
const assertionMinutes = 60;
/** An access token is used no longer than until this before its end. */
const marginMs = 60_000;

const tokenSchema = z.object({ access_token: z.string().min(1), expires_in: z.number().positive() });
const errorSchema = z.object({
  error: z.object({ details: z.array(z.object({ errorCode: z.string().optional() })).optional() }),
});

/** FCM's HTTP v1 (`projects.messages.send`), with a service account's access token. */
export function createFcm(
  account: ServiceAccount,
  { config, post }: { config: Config; post: Post },
): PushProvider {
  const base = config.FCM_BASE_URL.replace(/\/$/, "");
  const url = `${base}/v1/projects/${encodeURIComponent(account.project_id)}/messages:send`;
  const accessToken = createAccessToken(account, post);
  return async (token, { title, body, data, collapseKey }) => {
    const bearer = await accessToken.get();
    const message = {
      token,
      notification: { title, body },
      data,
      android: { collapse_key: collapseKey, priority: "HIGH" },
      apns: { headers: { "apns-collapse-id": collapseKey } },
    };
    const { status, text } = await post(url, {
      headers: { "content-type": "application/json", authorization: `Bearer ${bearer}` },
      body: JSON.stringify({ message }),
      timeoutMs: pushTimeoutMs,
    });
    if (status === 404 && isUnregistered(text)) return "dead";
    if (status === 401) {
      accessToken.forget(bearer);
      throw new PushDelayed("FCM did not take the access token");
    }
    requireSuccess(status);
    return "sent";
  };
}

function isUnregistered(text: string): boolean {
  try {
    const { details = [] } = errorSchema.parse(JSON.parse(text)).error;
    return details.some(({ errorCode }) => errorCode === "UNREGISTERED");
  } catch {
    return false;
  }
}

interface AccessToken {
  get(): Promise<string>;
  /** The token was refused before its time. */
  forget(token: string): void;
}

/** Trades a signed assertion for an access token (RFC 7523), and keeps it until shortly before it ends. */
function createAccessToken(account: ServiceAccount, post: Post): AccessToken {
  let current: { token: string; until: number } | undefined;
  let pending: Promise<string> | undefined;
  const ask = async (): Promise<string> => {
    const { status, text } = await post(account.token_uri, {
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
        assertion: await signAssertion(account),
      }).toString(),
      timeoutMs: pushTimeoutMs,
    });
    if (status !== 200) throw new PushDelayed(`The token endpoint answered ${status}`);
    const { access_token, expires_in } = tokenSchema.parse(JSON.parse(text));
    current = { token: access_token, until: Date.now() + expires_in * 1000 - marginMs };
    return access_token;
  };
  return {
    get: async () => {
      if (current && current.until > Date.now()) return current.token;
      pending ??= ask().finally(() => (pending = undefined));
      return pending;
    },
    forget: (token) => {
      if (current?.token === token) current = undefined;
    },
  };
}

async function signAssertion(account: ServiceAccount): Promise<string> {
  const key = await importPKCS8(account.private_key, "RS256");
  return new SignJWT({ scope })
    .setProtectedHeader({ alg: "RS256", typ: "JWT" })
    .setIssuer(account.client_email)
    .setAudience(account.token_uri)
    .setIssuedAt()
    .setExpirationTime(`${assertionMinutes}m`)
    .sign(key);
}
