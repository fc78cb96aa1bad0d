import { TRPCClientError } from "@trpc/client";
import { describe, expect, test } from "vitest";
import { toSottoError } from "./api/to-sotto-error.ts";
import { SottoError } from "./errors.ts";

const refusal = (sotto: unknown) =>
  TRPCClientError.from({ error: { code: -32_000, message: "refused", data: { code: "X", sotto } } });

describe("SottoError", () => {
  test("a refusal keeps its code, details, advice and request id", () => {
    const error = toSottoError(
      refusal({ code: "RATE_LIMITED", details: { retryAfter: 7 }, requestId: "r1" }),
    );
    expect(error).toMatchObject({ code: "RATE_LIMITED", retry: "later", requestId: "r1" });
    if (error.code !== "RATE_LIMITED") throw error;
    // Typed by the code.
    expect(error.details.retryAfter).toBe(7);
    expect(error.message).toBe("Rate limit exceeded");
    expect(error.cause).toBeInstanceOf(TRPCClientError);
  });

  test("a code without details has none", () => {
    expect(toSottoError(refusal({ code: "OTP_INVALID", details: { x: 1 } })).details).toBeUndefined();
  });

  test.each([
    ["a code that this version does not know", { code: "NEW_IN_V9" }],
    ["details of another shape", { code: "RATE_LIMITED", details: {} }],
  ])("%s is a bad answer", (_, sotto) => {
    expect(toSottoError(refusal(sotto))).toMatchObject({ code: "BAD_ANSWER", retry: "never" });
  });

  test("no answer is a network failure, unless the caller aborted", () => {
    const failure = TRPCClientError.from(new TypeError("fetch failed"));
    expect(toSottoError(failure)).toMatchObject({ code: "NETWORK", retry: "later" });
    expect(toSottoError(failure, AbortSignal.abort())).toMatchObject({ code: "ABORTED", retry: "never" });
    const closed = AbortSignal.abort(new SottoError("CLOSED"));
    expect(toSottoError(failure, closed)).toMatchObject({ code: "CLOSED" });
  });

  test("instanceof also knows the errors of another copy of the package", () => {
    const foreign = Object.assign(new Error("x"), { name: "SottoError", code: "NETWORK", retry: "later" });
    expect(foreign instanceof SottoError).toBe(true);
    expect(new Error("x") instanceof SottoError).toBe(false);
  });
});
