import pg from "pg";
import { expect, test } from "vitest";
import { createLog, type Log } from "./log.ts";

function write(use: (log: Log) => void): Record<string, unknown> {
  const lines: string[] = [];
  use(createLog("trace", { write: (line) => void lines.push(line) }));
  expect(lines).toHaveLength(1);
  return JSON.parse(lines[0] ?? "") as Record<string, unknown>;
}

const secrets = {
  token: "s3cret",
  accessToken: "s3cret",
  authorization: "s3cret",
  phone: "s3cret",
  otp: "s3cret",
  pin: "s3cret",
  currentPin: "s3cret",
  code_hash: "s3cret",
  ciphertext: "s3cret",
  wrap: "s3cret",
  wraps: { a: "s3cret" },
  publicKey: "s3cret",
  pushToken: "s3cret",
  password: "s3cret",
  secret: "s3cret",
};

test("a line is JSON with its level, time and the request's id", () => {
  const line = write((log) => log.child({ requestId: "r" }).warn({ count: 1 }, "text"));
  expect(line).toEqual({
    level: "warn",
    time: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/) as unknown,
    requestId: "r",
    count: 1,
    msg: "text",
  });
});

test.each(Object.keys(secrets))("%s is never written, alone or inside", (key) => {
  const secret = { [key]: secrets[key as keyof typeof secrets] };
  for (const fields of [secret, { input: secret }, { call: { input: secret } }]) {
    const text = JSON.stringify(write((log) => log.info(fields, "text")));
    expect(text).not.toContain("s3cret");
    expect(text).toContain("[redacted]");
  }
});

test("of a database's error only code, constraint and stack are kept", () => {
  const error = new pg.DatabaseError("duplicate key: (phone)=(+4915112345678)", 10, "error");
  Object.assign(error, {
    severity: "ERROR",
    code: "23505",
    constraint: "users_phone_key",
    detail: "Key (phone)=(+4915112345678) already exists.",
    where: "+4915112345678",
  });
  const wrapped = new Error("sending failed", { cause: error });
  for (const each of [error, wrapped]) {
    const line = write((log) => log.error({ err: each }, "call failed"));
    expect(JSON.stringify(line)).not.toContain("4915112345678");
    expect(JSON.stringify(line)).toContain('"constraint":"users_phone_key"');
    expect(JSON.stringify(line)).toContain('"code":"23505"');
    expect((line["err"] as { stack: string }).stack).toMatch(/^ {4}at /);
  }
});

test("what was thrown and is no error is not written", () => {
  expect(JSON.stringify(write((log) => log.error({ err: "s3cret" }, "text")))).not.toContain("s3cret");
});
