import { describe, expect, test } from "vitest";
import { verifyWebhook, type WebhookCheck } from "./webhooks.ts";

// The worked example of docs/PROTOCOL.md, section 9.
const ts = 1_790_000_000;
const rawBody = '{"message_id":"0199a1b2-0000-7000-8000-000000000001","device_id":"phone"}';
const headers = {
  "X-Webhook-Id": "0199a1b2-0000-7000-8000-0000000000ff",
  "X-Webhook-Event": "chat.message.read",
  "X-Webhook-Ts": String(ts),
  "X-Webhook-Sign": "a3816cb9e945a77b3c077033a881034382c7193e093c1c9a32950ece786e98cc",
  "X-Webhook-Sign-V2": "8bfca1857fb0ace795809343429ab1456293725066d096710d7f878c313cd080",
};
const good: WebhookCheck = { headers, rawBody, secret: "webhook-secret", now: ts * 1000 };

async function reasonOf(change: Partial<WebhookCheck>): Promise<string> {
  const verdict = await verifyWebhook({ ...good, ...change });
  return verdict.ok ? "ok" : verdict.reason;
}

test("the documented example holds, in both versions and all forms of headers and body", async () => {
  const data = JSON.parse(rawBody) as unknown;
  const id = headers["X-Webhook-Id"];
  const webhook = { id, event: "chat.message.read", ts, data };
  expect(await verifyWebhook(good)).toEqual({ ok: true, webhook });
  expect(await verifyWebhook({ ...good, version: "v1" })).toEqual({
    ok: true,
    webhook: { ...webhook, id: null },
  });
  expect(await reasonOf({ headers: new Headers(headers), rawBody: new TextEncoder().encode(rawBody) })).toBe(
    "ok",
  );
});

describe("what does not hold", () => {
  test.each(Object.keys(headers).filter((name) => name !== "X-Webhook-Sign"))("without %s", async (name) => {
    expect(await reasonOf({ headers: { ...headers, [name]: undefined } })).toBe("incomplete");
  });

  test.each([
    ["X-Webhook-Id", "0199a1b2-0000-7000-8000-0000000000fe"],
    ["X-Webhook-Event", "chat.message.delivered"],
    ["X-Webhook-Ts", String(ts + 1)],
    ["X-Webhook-Sign-V2", headers["X-Webhook-Sign"]],
    ["X-Webhook-Sign-V2", "0".repeat(64)],
  ])("another %s", async (name, value) => {
    expect(await reasonOf({ headers: { ...headers, [name]: value } })).toBe("signature");
  });

  test("another body or secret, or none", async () => {
    expect(await reasonOf({ rawBody: rawBody.replace("phone", "phonf") })).toBe("signature");
    expect(await reasonOf({ rawBody: JSON.stringify(JSON.parse(rawBody), null, 1) })).toBe("signature");
    expect(await reasonOf({ secret: "webhook-secreT" })).toBe("signature");
    expect(await reasonOf({ secret: "" })).toBe("signature");
  });

  test("a signature that is no hex of 32 bytes, a time that is no number", async () => {
    for (const value of ["", "zz", "0".repeat(63), "x".repeat(64)]) {
      expect(await reasonOf({ headers: { ...headers, "X-Webhook-Sign-V2": value } })).toBe("incomplete");
    }
    expect(await reasonOf({ headers: { ...headers, "X-Webhook-Ts": "now" } })).toBe("incomplete");
    expect(await reasonOf({ headers: { ...headers, "X-Webhook-Ts": ["1", "2"] } })).toBe("incomplete");
  });

  test("a time that is off by more than was allowed", async () => {
    for (const [offsetSecs, reason] of [
      [300, "ok"],
      [301, "stale"],
      [-300, "ok"],
      [-301, "stale"],
    ] as const) {
      expect(await reasonOf({ now: (ts + offsetSecs) * 1000 })).toBe(reason);
    }
    expect(await reasonOf({ now: (ts + 11) * 1000, toleranceSecs: 10 })).toBe("stale");
  });
});

test("in V1 the parts can be shifted against each other, in V2 they cannot", async () => {
  const shifted = { ...headers, "X-Webhook-Event": `chat.message.read${rawBody.slice(0, 1)}` };
  const change = { headers: shifted, rawBody: rawBody.slice(1) };
  expect(await reasonOf({ ...change, version: "v1" })).toBe("body");
  expect(await reasonOf(change)).toBe("signature");
});
