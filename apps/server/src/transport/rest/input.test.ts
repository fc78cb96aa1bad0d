import type { IncomingHttpHeaders } from "node:http";
import type { RestRoute } from "@sotto/schema";
import { describe, expect, test } from "vitest";
import { joinInput } from "./input.ts";
import { listRoutes, type Route } from "./routes.ts";

function routeWith(rest: Partial<RestRoute>, fields: Route["fields"]): Route {
  const [first] = listRoutes();
  if (!first) throw new Error("no routes");
  return { ...first, rest: { method: "POST", path: "/x", ...rest }, fields };
}

const none = { params: {}, query: new URLSearchParams(), headers: {}, body: undefined };

describe("a field of a header", () => {
  const route = routeWith({ headers: { file_name: "X-File-Name" } }, [
    { name: "fileName", location: "header", scalar: "string" },
  ]);
  const read = (headers: IncomingHttpHeaders): unknown => joinInput(route, { ...none, headers })["fileName"];

  test.each([
    ["plain.txt", "plain.txt"],
    [Buffer.from("grüße €").toString("latin1"), "grüße €"],
    ["gr\u00fc\u00dfe", "grüße"],
    ["UTF-8''%E2%82%AC%20a", "€ a"],
    ["utf-8'en'a", "a"],
    ["UTF-8''%E2%82", "UTF-8''%E2%82"],
    ["100%.txt", "100%.txt"],
  ])("%j is read as %j", (sent, text) => {
    expect(read({ "x-file-name": sent })).toBe(text);
  });

  test("is left out without its header, and not taken from the body", () => {
    expect(joinInput(route, { ...none, body: { file_name: "x" } })).toEqual({});
  });
});

describe("a field that may be the whole body", () => {
  const fields: Route["fields"] = [{ name: "userIds", location: "body", scalar: "string" }];
  const route = routeWith({ wholeBody: "user_ids" }, fields);

  test("is read from an array and from an object", () => {
    for (const body of [["a"], { user_ids: ["a"] }]) {
      expect(joinInput(route, { ...none, body })).toEqual({ userIds: ["a"] });
    }
  });

  test("elsewhere an array is refused", () => {
    expect(() => joinInput(routeWith({}, fields), { ...none, body: ["a"] })).toThrow("Validation failed");
  });
});
