import { expect } from "vitest";
import type { DevicePerson } from "../people.ts";
import type { World } from "./world.ts";

/** One request, as a client makes it from the page. */
export interface Asked {
  /** Of whom; without one nobody is signed in. */
  by?: DevicePerson;
  /** What stands in the braces of the route. */
  params?: Record<string, string>;
  query?: Record<string, string>;
  /** JSON, or bytes as they are. */
  body?: unknown;
  headers?: Record<string, string>;
}

type Ask = (world: World) => Asked | Promise<Asked>;

/** A refusal that the page names. Without a detail the page leaves its text open. */
export interface Refusal {
  status: number;
  detail?: unknown;
  why: string;
  ask: Ask;
}

/** Another request that is in order, and what it gives. */
export interface Case {
  why: string;
  ask: Ask;
  answer: (world: World, asked: Asked) => unknown;
}

/** A route of the wire contract's page, written from that page alone. */
export interface PageRoute {
  route: string;
  /** Whether anybody may call it, or a user. */
  auth: "none" | "user";
  /** A request that is in order; each call makes one that was not made before. */
  good: Ask;
  /** What the 200 holds. */
  answer: (world: World, asked: Asked) => unknown;
  cases?: readonly Case[];
  /** What each field may not be, wherever it stands. */
  wrong?: Record<string, readonly unknown[]>;
  /** Fields that may not be missing. */
  required?: readonly string[];
  /** Scalar fields that may stand in the query string or in the body. */
  movable?: readonly string[];
  refusals?: readonly Refusal[];
  /** What the same request gives the second time. */
  again: "the same" | "another" | { status: number; detail: string };
  /** Honours `Idempotency-Key`; gives another request of the same user. */
  creates?: (asked: Asked, world: World) => Asked | Promise<Asked>;
}

/** The request with other fields in its body. */
export const withBody =
  (fields: object) =>
  (asked: Asked): Asked => ({ ...asked, body: { ...(asked.body as object), ...fields } });

export const ok = { detail: "ok" };

export const unknownId = "01999999-9999-7999-8999-999999999999";
/** What is no id, where ids are read as such. */
export const noIds = ["abc", `${unknownId}0`, unknownId.toUpperCase().replace("7999", "7ABC"), "%00"];
/** What is no id in a JSON body. */
export const noBodyIds = ["abc", "", 5, true, null, [], {}, [unknownId]];
export const noTexts = [5, true, [], {}, ["a"]];

export const aString: unknown = expect.any(String);
export const aList: unknown = expect.any(Array);

/** `/messages/{message_id}/x` as `/messages/{}/x`: what parameters are called is nobody's business. */
export function templateOf(route: string): string {
  return route.replace(/\{\w+\}/g, "{}");
}
