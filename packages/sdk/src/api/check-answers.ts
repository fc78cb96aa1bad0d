import type { ContractRouter } from "@sotto/schema";
import { TRPCClientError, type TRPCLink } from "@trpc/client";
import { observable } from "@trpc/server/observable";
import type * as z from "zod/mini";
import { SottoError } from "../errors.ts";
import { answers } from "./answers.ts";

const areas: Record<string, Record<string, z.ZodMiniType>> = answers;

/** Holds every answer against the contract: behind this link the types are true, whoever the server is. */
export const checkAnswers: TRPCLink<ContractRouter> =
  () =>
  ({ op, next }) =>
    observable((observer) => {
      const [area = "", name = ""] = op.path.split(".");
      const schema = areas[area]?.[name];
      if (schema === undefined) throw new TypeError(`${op.path} is not in api/answers.ts`);
      return next(op).subscribe({
        next: (envelope) => {
          const { result } = envelope;
          if (result.type !== undefined && result.type !== "data") {
            observer.next(envelope);
            return;
          }
          const answer = schema.safeParse(result.data);
          if (answer.success) observer.next({ ...envelope, result: { ...result, data: answer.data } });
          else observer.error(TRPCClientError.from(new SottoError("BAD_ANSWER", { cause: answer.error })));
        },
        error: (error) => observer.error(error),
        complete: () => observer.complete(),
      });
    });
