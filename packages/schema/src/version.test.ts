import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import * as z from "zod/mini";
import { contract } from "./contract.ts";
import { errorDefinition, errors, isErrorCode } from "./errors.ts";
import type { Procedure } from "./procedure.ts";
import { PROTOCOL_VERSION } from "./version.ts";

/** What each version of the protocol was. */
const fingerprints: Record<number, string> = {
  1: "1589b257851121dfc0fa71deeb05cdc06c96e3554be833c5682ea535acc36526",
};

const jsonSchema = (schema: z.ZodMiniType, io: "input" | "output"): unknown =>
  z.toJSONSchema(schema, { io, unrepresentable: "any" });

function describeContract(): unknown {
  const procedures = Object.entries(contract).flatMap(([area, table]) =>
    Object.entries(table).map(([name, procedure]: [string, Procedure]) => {
      const { kind, access, limit, creates = false, rest = null } = procedure;
      const [input, output] = [jsonSchema(procedure.input, "input"), jsonSchema(procedure.output, "output")];
      return [`${area}.${name}`, { kind, access, limit, creates, rest, input, output }];
    }),
  );
  const codes = Object.keys(errors)
    .filter(isErrorCode)
    .map((code) => {
      const { details, ...definition } = errorDefinition(code);
      return [code, { ...definition, details: details ? jsonSchema(details, "output") : null }];
    });
  return { procedures: Object.fromEntries(procedures), errors: Object.fromEntries(codes) };
}

/** The same for the same content, in whichever order it is written down. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, canonical(item)]),
  );
}

test("the contract is the one that PROTOCOL_VERSION names", () => {
  const fingerprint = createHash("sha256")
    .update(JSON.stringify(canonical(describeContract())))
    .digest("hex");
  const advice =
    "The contract has changed: raise PROTOCOL_VERSION with a line of its history in version.ts, " +
    "and pin the new fingerprint here. A version that no release carries yet may be pinned anew. " +
    "`npm run docs:api` writes docs/API.md anew.";
  expect(fingerprint, advice).toBe(fingerprints[PROTOCOL_VERSION]);
});
