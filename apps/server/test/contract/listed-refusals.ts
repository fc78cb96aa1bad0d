import { contract, errorDefinition, listRefusals, type ErrorCode, type Procedure } from "@sotto/schema";
import type { RestAnswer } from "../rest-client.ts";

const procedures: [string, Procedure][] = Object.entries(contract).flatMap(([area, table]) =>
  Object.entries(table).map(([name, procedure]: [string, Procedure]): [string, Procedure] => [
    `${area}.${name}`,
    procedure,
  ]),
);

/** Throws when the contract does not say that the procedure at this method and path template refuses so. */
export function requireListedRefusal(method: string, template: string, answer: RestAnswer): void {
  if (answer.status < 400) return;
  const found = procedures.find(([, { rest }]) => rest?.method === method && rest.path === template);
  if (!found || listRefusals(found[1]).some((code) => isAnswerOf(code, answer))) return;
  throw new Error(
    `${found[0]} refused with what the contract's \`errors\` do not list: ` +
      `${answer.status} ${JSON.stringify(answer.body["detail"])}`,
  );
}

function isAnswerOf(code: ErrorCode, { status, body }: RestAnswer): boolean {
  const definition = errorDefinition(code);
  if (definition.status !== status) return false;
  const given: unknown = body["detail"];
  if (definition.rest === "list") return Array.isArray(given);
  if (definition.rest === undefined) return given === definition.detail;
  return typeof given === "object" && given !== null && "code" in given && given.code === code.toLowerCase();
}
