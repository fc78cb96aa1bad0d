import { type ContractRouter, type Procedure, contract } from "@sotto/schema";
import { TRPCClientError, type TRPCLink } from "@trpc/client";
import { observable } from "@trpc/server/observable";
import { SottoError } from "../errors.ts";

const areas: Record<string, Record<string, Procedure>> = contract;

/** Parsed by whoever asks, as the stream is: an entry of a newer server must not break it. */
const unchecked = new Set(["sync.fill"]);

/** Holds every answer against the contract: behind this link the types are true, whoever the server is. */
export const checkAnswers: TRPCLink<ContractRouter> =
  () =>
  ({ op, next }) =>
    observable((observer) => {
      const [area = "", name = ""] = op.path.split(".");
      const schema = unchecked.has(op.path) ? undefined : areas[area]?.[name]?.output;
      return next(op).subscribe({
        next: (envelope) => {
          const { result } = envelope;
          if (schema === undefined || (result.type !== undefined && result.type !== "data")) {
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
