import { z } from "zod";

/** Known to everybody who reads this file, so refused outside dev. */
const devJwtSecret = "sotto-development-secret-not-for-production";
const minSecretChars = 32;

const flag = z.enum(["true", "false", "1", "0"]).transform((value) => value === "true" || value === "1");
const integer = (min: number, max: number) =>
  z.string().regex(/^\d+$/, "must be a whole number").transform(Number).pipe(z.int().min(min).max(max));
const url = (...protocols: string[]) =>
  z.string().refine(
    (value) => {
      const parsed = URL.parse(value);
      return parsed !== null && protocols.includes(parsed.protocol);
    },
    `must be a URL of ${protocols.join(" or ")}`,
  );

/** `fetch` takes no name and password in a URL, and would write them into its error. */
const plainUrl = url("https:", "http:").refine((value) => {
  const parsed = URL.parse(value);
  return parsed?.username === "" && parsed.password === "";
}, "must hold no name and password");
const sid = (prefix: string) =>
  z.string().regex(new RegExp(`^${prefix}[0-9a-fA-F]{32}$`), `must be ${prefix} and 32 hex digits`);

const webhookEndpoints = z
  .string()
  .transform((value, context) => {
    try {
      return JSON.parse(value) as unknown;
    } catch {
      context.addIssue("must be JSON");
      return z.NEVER;
    }
  })
  .pipe(
    z.array(
      z.object({
        url: url("http:", "https:"),
        secret: z.string().min(1),
        events: z.array(z.string()).optional(),
      }),
    ),
  );

const serviceAccount = z
  .string()
  .transform((value, context) => {
    try {
      return JSON.parse(value) as unknown;
    } catch {
      context.addIssue("must be JSON");
      return z.NEVER;
    }
  })
  .pipe(
    z.object({
      project_id: z.string().min(1),
      client_email: z.string().min(1),
      private_key: z.string().startsWith("-----BEGIN PRIVATE KEY-----"),
      token_uri: url("http:", "https:").default("https://oauth2.googleapis.com/token"),
    }),
  );
const hosts = z.string().transform((value) =>
  value
    .split(",")
    .map((host) => host.trim().toLowerCase())
    .filter((host) => host !== ""),
);
/** An uncompressed point, or a scalar, of P-256 in base64url. */
const vapidPublicKey = z.string().regex(/^B[\w-]{86}$/, "must be 65 bytes in base64url that begin with 4");
const vapidPrivateKey = z.string().regex(/^[\w-]{43}$/, "must be 32 bytes in base64url");

/** Every variable with its default; docs/OPERATIONS.md says what each does. */
const environment = z.object({
  ENV: z.string().min(1).default("dev"),
  APP_HOST: z.string().min(1).default("0.0.0.0"),
  APP_PORT: integer(0, 65_535).default(8091),
  DATA_DIR: z.string().min(1).optional(),
  DB_URL: z
    .string()
    .transform((value) => value.replace(/^postgres(?:ql)?(?:\+\w+)?:/, "postgresql:"))
    .pipe(url("postgresql:"))
    .optional(),
  DB_POOL_SIZE: integer(2, 200).default(16),
  REDIS_URL: url("redis:", "rediss:").optional(),
  JWT_SECRET: z.string().default(devJwtSecret),
  JWT_EXPIRES_MINUTES: integer(1, 5_256_000).default(43_200),
  ALLOWED_ORIGINS: z.string().optional(),
  OTP_MODE: z.enum(["dev", "http", "twilio"]).default("dev"),
  OTP_HTTP_URL: plainUrl.optional(),
  OTP_HTTP_SECRET: z.string().min(16).optional(),
  OTP_TEXT: z.string().max(320).includes("{code}").default("{code} is your {app} code."),
  OTP_APP_NAME: z.string().min(1).max(64).default("Sotto"),
  TWILIO_ACCOUNT_SID: sid("AC").optional(),
  TWILIO_AUTH_TOKEN: z.string().min(1).optional(),
  TWILIO_API_KEY_SID: sid("SK").optional(),
  TWILIO_API_KEY_SECRET: z.string().min(1).optional(),
  TWILIO_FROM: z.string().min(1).max(64).optional(),
  TWILIO_MESSAGING_SERVICE_SID: sid("MG").optional(),
  TWILIO_BASE_URL: plainUrl.default("https://api.twilio.com"),
  OTP_TTL_SECS: integer(1, 86_400).default(300),
  OTP_MAX_ATTEMPTS: integer(1, 100).default(5),
  NOTIFY_MODE: z.enum(["log", "redis"]).default("log"),
  NOTIFY_REDIS_CHANNEL: z.string().min(1).default("chat.events"),
  WEBHOOK_ENABLED: flag.default(false),
  WEBHOOK_TIMEOUT_SECS: integer(1, 60).default(3),
  CHAT_WEBHOOK_ENDPOINTS_JSON: webhookEndpoints.default([]),
  WEBHOOK_RETRY_DELAY_SECS: integer(1, 3_600).default(5),
  WEBHOOK_RETRY_FOR_SECS: integer(1, 2_592_000).default(86_400),
  PUSH_RETRY_LIMIT: integer(0, 1_000).default(36),
  OUTGOING_PRIVATE_HOSTS: hosts.default([]),
  PUSH_PROVIDER: z.enum(["none", "fcm", "webpush"]).default("none"),
  FCM_SERVER_KEY: z.string().min(1).optional(),
  FCM_SERVICE_ACCOUNT_JSON: serviceAccount.optional(),
  FCM_BASE_URL: url("http:", "https:").default("https://fcm.googleapis.com"),
  VAPID_PUBLIC_KEY: vapidPublicKey.optional(),
  VAPID_PRIVATE_KEY: vapidPrivateKey.optional(),
  VAPID_SUBJECT: url("mailto:", "https:").optional(),
  CHAT_USER_MSGS_PER_MINUTE: integer(1, 1_000_000).default(60),
  CHAT_GROUP_MSGS_PER_MINUTE: integer(1, 1_000_000).default(120),
  RATE_LIMIT_PER_MINUTE: integer(1, 1_000_000).default(120),
  KEY_LOOKUPS_PER_HOUR: integer(1, 1_000_000).default(1_000),
  CONTACT_LOOKUPS_PER_HOUR: integer(1, 1_000_000).default(200),
  CONTACT_NUMBERS_PER_DAY: integer(1, 100_000).default(500),
  BLOB_STORE: z.enum(["postgres", "s3"]).default("postgres"),
  S3_ENDPOINT: url("https:", "http:").optional(),
  S3_REGION: z.string().min(1).default("us-east-1"),
  S3_BUCKET: z
    .string()
    .regex(/^[\w.-]+$/, "must be a bucket's name")
    .optional(),
  S3_PREFIX: z
    .string()
    .regex(/^[\w./-]*$/, "letters, digits and _ . - / only")
    .default(""),
  S3_ACCESS_KEY_ID: z.string().min(1).optional(),
  S3_SECRET_ACCESS_KEY: z.string().min(1).optional(),
  MAX_BLOB_BYTES: integer(1, 50 * 2 ** 30).default(100 * 2 ** 20),
  MAX_USER_BLOB_BYTES: integer(1, 2 ** 50).default(5 * 2 ** 30),
  LOG_RETENTION_DAYS: integer(1, 3650).default(30),
  LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).default("info"),
  PAYMENTS_BASE_URL: url("http:", "https:").optional(),
  PAYMENTS_INTERNAL_SECRET: z.string().min(1).optional(),
  PAYMENTS_WEBHOOK_SECRET: z.string().min(1).optional(),
});

export type Config = Readonly<
  Omit<z.output<typeof environment>, "ALLOWED_ORIGINS"> & {
    isDev: boolean;
    ALLOWED_ORIGINS: readonly string[];
  }
>;

/** A variable that cannot be read, or a setting that is not safe; its message names the variables. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Reads the environment. An empty variable counts as not set. Throws `ConfigError`. */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ""),
  );
  const parsed = environment.safeParse(given);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `${String(issue.path[0])}: ${issue.message}`);
    throw new ConfigError(`The configuration cannot be read:\n  ${lines.join("\n  ")}`);
  }
  const isDev = parsed.data.ENV === "dev";
  const config: Config = {
    ...parsed.data,
    isDev,
    ALLOWED_ORIGINS: (parsed.data.ALLOWED_ORIGINS ?? (isDev ? "*" : ""))
      .split(",")
      .map((origin) => origin.trim())
      .filter((origin) => origin !== ""),
  };
  const problems = [...findIncomplete(config), ...(isDev ? [] : findUnsafe(config))];
  if (problems.length > 0) {
    throw new ConfigError(`The server does not start with these settings:\n  ${problems.join("\n  ")}`);
  }
  return config;
}

function findIncomplete(config: Config): string[] {
  const problems: string[] = [];
  if (config.OTP_MODE === "http" && !(config.OTP_HTTP_URL && config.OTP_HTTP_SECRET)) {
    problems.push("OTP_MODE=http needs OTP_HTTP_URL and OTP_HTTP_SECRET");
  }
  if (config.OTP_MODE === "twilio") problems.push(...findIncompleteTwilio(config));
  if (config.NOTIFY_MODE === "redis" && !config.REDIS_URL) problems.push("NOTIFY_MODE=redis needs REDIS_URL");
  return [...problems, ...findIncompleteOutgoing(config), ...findIncompleteS3(config)];
}

function findIncompleteOutgoing(config: Config): string[] {
  const problems: string[] = [];
  const urls = config.CHAT_WEBHOOK_ENDPOINTS_JSON.map((endpoint) => endpoint.url);
  if (config.WEBHOOK_ENABLED && urls.length === 0) {
    problems.push("WEBHOOK_ENABLED=true needs CHAT_WEBHOOK_ENDPOINTS_JSON");
  }
  if (new Set(urls).size < urls.length)
    problems.push("CHAT_WEBHOOK_ENDPOINTS_JSON: a url stands there twice");
  if (config.PUSH_PROVIDER === "fcm" && !(config.FCM_SERVICE_ACCOUNT_JSON ?? config.FCM_SERVER_KEY)) {
    problems.push("PUSH_PROVIDER=fcm needs FCM_SERVICE_ACCOUNT_JSON or FCM_SERVER_KEY");
  }
  const hasVapid = config.VAPID_PUBLIC_KEY && config.VAPID_PRIVATE_KEY && config.VAPID_SUBJECT;
  if (config.PUSH_PROVIDER === "webpush" && !hasVapid) {
    problems.push("PUSH_PROVIDER=webpush needs VAPID_PUBLIC_KEY, VAPID_PRIVATE_KEY and VAPID_SUBJECT");
  }
  return problems;
}

function findIncompleteS3(config: Config): string[] {
  if (config.BLOB_STORE !== "s3") return [];
  const needed = ["S3_ENDPOINT", "S3_BUCKET", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"] as const;
  const missing = needed.filter((name) => !config[name]);
  return missing.length === 0 ? [] : [`BLOB_STORE=s3 needs ${missing.join(", ")}`];
}

function findIncompleteTwilio(config: Config): string[] {
  const problems: string[] = [];
  if (!config.TWILIO_ACCOUNT_SID) problems.push("OTP_MODE=twilio needs TWILIO_ACCOUNT_SID");
  if (!config.TWILIO_API_KEY_SID !== !config.TWILIO_API_KEY_SECRET) {
    problems.push("TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET go together");
  } else if (!config.TWILIO_AUTH_TOKEN && !config.TWILIO_API_KEY_SID) {
    problems.push("OTP_MODE=twilio needs TWILIO_AUTH_TOKEN, or TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET");
  }
  if (!config.TWILIO_FROM && !config.TWILIO_MESSAGING_SERVICE_SID) {
    problems.push("OTP_MODE=twilio needs TWILIO_FROM or TWILIO_MESSAGING_SERVICE_SID");
  }
  return problems;
}

function findUnsafe(config: Config): string[] {
  const problems: string[] = [];
  if (config.JWT_SECRET === devJwtSecret) problems.push("JWT_SECRET: set one of your own outside ENV=dev");
  else if (config.JWT_SECRET.length < minSecretChars) {
    problems.push(`JWT_SECRET: at least ${minSecretChars} characters outside ENV=dev`);
  }
  if (config.OTP_MODE === "dev") problems.push("OTP_MODE=dev: everybody knows the code; only for ENV=dev");
  if (config.ALLOWED_ORIGINS.includes("*")) problems.push("ALLOWED_ORIGINS: * is only for ENV=dev");
  for (const name of ["OTP_HTTP_URL", "TWILIO_BASE_URL", "FCM_BASE_URL"] as const) {
    if (isPlainHttp(config[name])) problems.push(`${name}: https only outside ENV=dev`);
  }
  if (config.CHAT_WEBHOOK_ENDPOINTS_JSON.some((endpoint) => isPlainHttp(endpoint.url))) {
    problems.push("CHAT_WEBHOOK_ENDPOINTS_JSON: https only outside ENV=dev");
  }
  if (isPlainHttp(config.FCM_SERVICE_ACCOUNT_JSON?.token_uri)) {
    problems.push("FCM_SERVICE_ACCOUNT_JSON: token_uri must be https outside ENV=dev");
  }
  return problems;
}

function isPlainHttp(value: string | undefined): boolean {
  return value !== undefined && URL.parse(value)?.protocol === "http:";
}
