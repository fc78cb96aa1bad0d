import { describe, expect, test } from "vitest";
import { ConfigError, loadConfig } from "./config.ts";

type Env = Record<string, string | undefined>;

function refusalOf(env: Env): string {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "started";
}

const production = {
  ENV: "production",
  JWT_SECRET: "a secret of the operator that is long enough",
  OTP_MODE: "http",
  OTP_HTTP_URL: "https://sms.example/send",
  OTP_HTTP_SECRET: "a-secret-for-the-gateway",
};

const twilio = {
  OTP_MODE: "twilio",
  TWILIO_ACCOUNT_SID: `AC${"0123456789abcdef".repeat(2)}`,
  TWILIO_AUTH_TOKEN: "a-token",
  TWILIO_FROM: "+15005550006",
};
const twilioKeyAndService = {
  TWILIO_API_KEY_SID: `SK${"0".repeat(32)}`,
  TWILIO_API_KEY_SECRET: "a-secret",
  TWILIO_MESSAGING_SERVICE_SID: `MG${"0".repeat(32)}`,
};

test("the defaults are those of the wire contract", () => {
  expect(loadConfig({})).toMatchObject({
    ENV: "dev",
    isDev: true,
    APP_HOST: "0.0.0.0",
    APP_PORT: 8091,
    JWT_EXPIRES_MINUTES: 43_200,
    ALLOWED_ORIGINS: ["*"],
    OTP_MODE: "dev",
    OTP_TTL_SECS: 300,
    OTP_MAX_ATTEMPTS: 5,
    NOTIFY_MODE: "log",
    NOTIFY_REDIS_CHANNEL: "chat.events",
    WEBHOOK_ENABLED: false,
    WEBHOOK_TIMEOUT_SECS: 3,
    CHAT_WEBHOOK_ENDPOINTS_JSON: [],
    PUSH_PROVIDER: "none",
    CHAT_USER_MSGS_PER_MINUTE: 60,
    CHAT_GROUP_MSGS_PER_MINUTE: 120,
    RATE_LIMIT_PER_MINUTE: 120,
  });
});

test("neither a database nor Redis is needed", () => {
  const { DB_URL, REDIS_URL } = loadConfig({});
  expect([DB_URL, REDIS_URL]).toEqual([undefined, undefined]);
});

test("an empty variable counts as not set", () => {
  const empty = Object.fromEntries(Object.keys(loadConfig({})).map((key) => [key, ""]));
  expect(loadConfig(empty)).toEqual(loadConfig({}));
});

test.each([
  "postgresql://u:p@db:5432/sotto",
  "postgres://u:p@db:5432/sotto",
  "postgresql+psycopg2://u:p@db:5432/sotto",
  "postgresql+asyncpg://u:p@db:5432/sotto",
])("reads the DB_URL %s", (url) => {
  expect(loadConfig({ DB_URL: url }).DB_URL).toBe("postgresql://u:p@db:5432/sotto");
});

test("reads lists, flags and JSON", () => {
  const config = loadConfig({
    ALLOWED_ORIGINS: " https://a.example ,https://b.example,,",
    WEBHOOK_ENABLED: "true",
    CHAT_WEBHOOK_ENDPOINTS_JSON:
      '[{"url":"https://hook.example","secret":"s","events":["chat.message.read"]}]',
  });
  expect(config.ALLOWED_ORIGINS).toEqual(["https://a.example", "https://b.example"]);
  expect(config.WEBHOOK_ENABLED).toBe(true);
  expect(config.CHAT_WEBHOOK_ENDPOINTS_JSON).toEqual([
    { url: "https://hook.example", secret: "s", events: ["chat.message.read"] },
  ]);
});

describe("a value that cannot be read stops the start and names its variable", () => {
  test.each([
    ["APP_PORT", "x"],
    ["APP_PORT", "65536"],
    ["APP_PORT", "-1"],
    ["APP_PORT", "80.5"],
    ["DB_URL", "mysql://db/sotto"],
    ["DB_URL", "not a url"],
    ["DB_POOL_SIZE", "1"],
    ["REDIS_URL", "http://redis"],
    ["JWT_EXPIRES_MINUTES", "0"],
    ["OTP_MODE", "sms"],
    ["OTP_TTL_SECS", "0"],
    ["OTP_MAX_ATTEMPTS", "five"],
    ["OTP_HTTP_URL", "ftp://sms"],
    ["OTP_HTTP_URL", "https://user:password@sms.example"],
    ["OTP_HTTP_SECRET", "short"],
    ["OTP_TEXT", "here you are"],
    ["OTP_TEXT", `{code}${"x".repeat(320)}`],
    ["TWILIO_ACCOUNT_SID", "AC../../x"],
    ["TWILIO_ACCOUNT_SID", `SK${"0".repeat(32)}`],
    ["TWILIO_API_KEY_SID", "SK1"],
    ["TWILIO_MESSAGING_SERVICE_SID", "+4915112345678"],
    ["TWILIO_BASE_URL", "api.twilio.com"],
    ["NOTIFY_MODE", "kafka"],
    ["WEBHOOK_ENABLED", "maybe"],
    ["WEBHOOK_TIMEOUT_SECS", "0"],
    ["CHAT_WEBHOOK_ENDPOINTS_JSON", "{"],
    ["CHAT_WEBHOOK_ENDPOINTS_JSON", "{}"],
    ["CHAT_WEBHOOK_ENDPOINTS_JSON", '[{"url":"x","secret":"s"}]'],
    ["WEBHOOK_RETRY_DELAY_SECS", "0"],
    ["WEBHOOK_RETRY_FOR_SECS", "-1"],
    ["PUSH_RETRY_LIMIT", "-1"],
    ["PUSH_PROVIDER", "apns"],
    ["FCM_SERVICE_ACCOUNT_JSON", "{"],
    ["FCM_SERVICE_ACCOUNT_JSON", '{"project_id":"p"}'],
    ["FCM_BASE_URL", "fcm"],
    ["VAPID_PUBLIC_KEY", "short"],
    ["VAPID_PRIVATE_KEY", "short"],
    ["VAPID_SUBJECT", "somebody"],
    ["CHAT_USER_MSGS_PER_MINUTE", "0"],
    ["CHAT_GROUP_MSGS_PER_MINUTE", "-1"],
    ["RATE_LIMIT_PER_MINUTE", "1e3"],
    ["LOG_RETENTION_DAYS", "0"],
    ["LOG_LEVEL", "loud"],
    ["PAYMENTS_BASE_URL", "payments"],
  ])("%s=%s", (name, value) => {
    expect(refusalOf({ [name]: value })).toContain(`${name}: `);
  });

  test("all of them at once", () => {
    const refusal = refusalOf({ APP_PORT: "x", OTP_MODE: "x", LOG_LEVEL: "x" });
    for (const name of ["APP_PORT", "OTP_MODE", "LOG_LEVEL"]) expect(refusal).toContain(name);
  });

  test("without the value, which may be a secret", () => {
    expect(refusalOf({ OTP_HTTP_SECRET: "hunter2" })).not.toContain("hunter2");
    expect(refusalOf({ DB_URL: "mysql://user:hunter2@db" })).not.toContain("hunter2");
  });
});

describe("what belongs together is asked for together", () => {
  test.each([
    [{ OTP_MODE: "http" }, ["OTP_HTTP_URL", "OTP_HTTP_SECRET"]],
    [{ OTP_MODE: "http", OTP_HTTP_URL: "https://sms.example" }, ["OTP_HTTP_SECRET"]],
    [{ OTP_MODE: "twilio" }, ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM"]],
    [{ ...twilio, TWILIO_ACCOUNT_SID: undefined }, ["TWILIO_ACCOUNT_SID"]],
    [{ ...twilio, TWILIO_AUTH_TOKEN: undefined }, ["TWILIO_AUTH_TOKEN", "TWILIO_API_KEY_SID"]],
    [{ ...twilio, TWILIO_API_KEY_SID: `SK${"0".repeat(32)}` }, ["TWILIO_API_KEY_SECRET"]],
    [{ ...twilio, TWILIO_API_KEY_SECRET: "secret" }, ["TWILIO_API_KEY_SID"]],
    [{ ...twilio, TWILIO_FROM: undefined }, ["TWILIO_FROM", "TWILIO_MESSAGING_SERVICE_SID"]],
    [{ NOTIFY_MODE: "redis" }, ["REDIS_URL"]],
    [{ WEBHOOK_ENABLED: "true" }, ["CHAT_WEBHOOK_ENDPOINTS_JSON"]],
    [{ PUSH_PROVIDER: "fcm" }, ["FCM_SERVICE_ACCOUNT_JSON", "FCM_SERVER_KEY"]],
    [{ PUSH_PROVIDER: "webpush" }, ["VAPID_PUBLIC_KEY", "VAPID_PRIVATE_KEY", "VAPID_SUBJECT"]],
  ] satisfies [Env, string[]][])("%j", (env, names) => {
    for (const name of names) expect(refusalOf(env)).toContain(name);
  });

  test.each([
    ["a token and a number", {}],
    ["a key and a service", { TWILIO_AUTH_TOKEN: undefined, TWILIO_FROM: undefined, ...twilioKeyAndService }],
  ] satisfies [string, Env][])("Twilio is content with %s", (_, change) => {
    expect(refusalOf({ ...production, ...twilio, ...change })).toBe("started");
  });
});

describe("outside dev", () => {
  test("safe settings start, and no origin is allowed unless it is named", () => {
    expect(loadConfig(production)).toMatchObject({ isDev: false, ALLOWED_ORIGINS: [] });
    expect(refusalOf({ ...production, ALLOWED_ORIGINS: "https://app.example" })).toBe("started");
  });

  test.each([
    ["JWT_SECRET", { JWT_SECRET: undefined }],
    ["JWT_SECRET", { JWT_SECRET: loadConfig({}).JWT_SECRET }],
    ["JWT_SECRET", { JWT_SECRET: "x".repeat(31) }],
    ["OTP_MODE", { OTP_MODE: "dev" }],
    ["OTP_MODE", { OTP_MODE: undefined }],
    ["ALLOWED_ORIGINS", { ALLOWED_ORIGINS: "*" }],
    ["ALLOWED_ORIGINS", { ALLOWED_ORIGINS: "https://a.example, *" }],
    ["OTP_HTTP_URL", { OTP_HTTP_URL: "http://sms.example" }],
    [
      "CHAT_WEBHOOK_ENDPOINTS_JSON",
      { CHAT_WEBHOOK_ENDPOINTS_JSON: '[{"url":"http://a.example","secret":"s"}]' },
    ],
    ["FCM_BASE_URL", { FCM_BASE_URL: "http://fcm.example" }],
    ["OTP_HTTP_URL", { OTP_HTTP_URL: "HTTP://sms.example" }],
    ["TWILIO_BASE_URL", { ...twilio, TWILIO_BASE_URL: "http://api.twilio.example" }],
  ] satisfies [string, Env][])("refuses an unsafe %s: %j", (name, change) => {
    for (const ENV of ["production", "staging", "DEV"]) {
      expect(refusalOf({ ...production, ...change, ENV })).toContain(name);
    }
  });
});

test("S3 needs where it is, its bucket and its key; another store needs nothing", () => {
  const s3 = {
    BLOB_STORE: "s3",
    S3_ENDPOINT: "https://s3.example",
    S3_BUCKET: "blobs",
    S3_ACCESS_KEY_ID: "id",
    S3_SECRET_ACCESS_KEY: "secret",
  };
  expect(refusalOf(s3)).toBe("started");
  expect(refusalOf({ BLOB_STORE: "postgres" })).toBe("started");
  for (const name of ["S3_ENDPOINT", "S3_BUCKET", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"]) {
    expect(refusalOf({ ...s3, [name]: "" })).toContain(`BLOB_STORE=s3 needs ${name}`);
  }
  for (const wrong of [
    { S3_ENDPOINT: "s3.example" },
    { S3_BUCKET: "a/b" },
    { S3_PREFIX: "a b" },
    { BLOB_STORE: "disk" },
  ]) {
    expect(refusalOf({ ...s3, ...wrong })).toContain(Object.keys(wrong)[0]);
  }
});
