import { errorDefinition, errors, isErrorCode, toSnakeKeys, type ErrorCode } from "@sotto/schema";
import { TRPCError } from "@trpc/server";
import { getHTTPStatusCodeFromError } from "@trpc/server/http";
import { describe, expect, test } from "vitest";
import { AppError } from "../errors.ts";
import { toRestError } from "./rest/rest-errors.ts";
import { listRoutes } from "./rest/routes.ts";
import { formatTrpcError, toTrpcError } from "./trpc/trpc-errors.ts";

const device = { userId: "01999999-9999-7999-8999-999999999999", deviceId: "d" };
const samples: Partial<Record<ErrorCode, object>> = {
  VALIDATION_FAILED: { issues: [{ loc: ["publicKey"], msg: "no", type: "missing" }] },
  OTP_RATE_LIMITED: { retryAfter: 7 },
  OTP_LOCKED: { retryAfter: 7 },
  PIN_INVALID: { attemptsLeft: 2 },
  RATE_LIMITED: { retryAfter: 7 },
  GROUP_RATE_LIMITED: { retryAfter: 7 },
  ENVELOPE_REFUSED: { field: "message_id" },
  DEVICE_LIST_CONFLICT: { currentVersion: 3 },
  DEVICE_LIST_REFUSED: { field: "list" },
  UPLOAD_INCOMPLETE: { offset: 262_144 },
  UPLOAD_OFFSET_MISMATCH: { offset: 262_144 },
  DEVICE_LIST_STALE: { missing: [device], extra: [], outdated: [device] },
};

/** Statuses that tRPC has no name for, and what it gives instead. */
const unnamedOnTrpc: Record<number, number> = { 410: 404, 416: 400 };

/** The pairing of code and details is checked by the table's own schema below. */
function sampleOf(code: ErrorCode): AppError {
  return Reflect.construct(AppError, [code, samples[code]]) as AppError;
}

const codes = Object.keys(errors).filter(isErrorCode);

describe.each(codes)("%s", (code) => {
  const { status, detail, rest, details } = errorDefinition(code);
  const error = sampleOf(code);

  test("has a sample with the details of the table", () => {
    expect(samples[code] !== undefined).toBe(details !== undefined);
    if (details) expect(details.parse(samples[code])).toEqual(samples[code]);
  });

  test("on REST has its status, text and headers", () => {
    const answer = toRestError(error);
    expect(answer.status).toBe(status);
    if (rest === "list") {
      expect(answer.detail).toEqual([{ loc: ["body", "public_key"], msg: "no", type: "missing" }]);
    } else if (rest === "object") {
      expect(answer.detail).toEqual({
        code: code.toLowerCase(),
        ...(toSnakeKeys(samples[code]) as object),
      });
    } else {
      expect(answer.detail).toBe(detail);
    }
    const headers: Record<string, string> = {};
    if (status === 401) headers["www-authenticate"] = "Bearer";
    if (samples[code] && "retryAfter" in samples[code]) headers["retry-after"] = "7";
    expect(answer.headers).toEqual(headers);
  });

  test("on tRPC has the same status, and its code and details", () => {
    const trpc = toTrpcError(error);
    expect(getHTTPStatusCodeFromError(trpc)).toBe(unnamedOnTrpc[status] ?? status);
    expect(format(trpc)).toEqual({
      message: detail,
      sotto: {
        code,
        requestId: "r",
        ...(samples[code] === undefined ? {} : { details: samples[code] }),
      },
    });
  });
});

function format(error: TRPCError): object {
  const shape = formatTrpcError({
    shape: {
      message: error.message,
      code: -32_603,
      data: { code: error.code, httpStatus: 500, path: "a.b", stack: "at secret.ts" },
    },
    error,
    requestId: "r",
  });
  expect(JSON.stringify(shape)).not.toContain("secret");
  return { message: shape.message, sotto: shape.data.sotto };
}

test.each([new Error("secret"), new TypeError("secret"), "secret", undefined, null, { detail: "secret" }])(
  "what is not ours is INTERNAL without its text: %s",
  (error) => {
    expect(toRestError(error)).toEqual({ status: 500, headers: {}, detail: "Internal Server Error" });
    expect(format(toTrpcError(error))).toEqual({
      message: "Internal Server Error",
      sotto: { code: "INTERNAL", requestId: "r" },
    });
  },
);

test.each([
  ["NOT_FOUND", "ROUTE_NOT_FOUND"],
  ["METHOD_NOT_SUPPORTED", "METHOD_NOT_ALLOWED"],
  ["PAYLOAD_TOO_LARGE", "PAYLOAD_TOO_LARGE"],
  ["PARSE_ERROR", "VALIDATION_FAILED"],
  ["BAD_REQUEST", "VALIDATION_FAILED"],
  ["INTERNAL_SERVER_ERROR", "INTERNAL"],
] as const)("tRPC's own %s is %s", (code, ours) => {
  const error = new TRPCError({ code, message: "secret" });
  expect(format(error)).toMatchObject({ sotto: { code: ours } });
});

const issue = (...loc: (string | number)[]) => ({ loc, msg: "m", type: "t" });

test("issues are named by where their field stands", () => {
  const route = listRoutes().find(({ rest }) => rest.path === "/messages/{message_id}/ack_read_device");
  const error = new AppError("VALIDATION_FAILED", {
    issues: [issue("messageId"), issue("deviceId"), issue("body"), issue("header", "x"), issue()],
  });
  const places = (toRestError(error, route).detail as { loc: unknown[] }[]).map(({ loc }) => loc);
  expect(places).toEqual([
    ["path", "message_id"],
    ["query", "device_id"],
    ["body"],
    ["header", "x"],
    ["body"],
  ]);
});
