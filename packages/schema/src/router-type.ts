import type {
  TRPCBuiltRouter,
  TRPCDefaultErrorShape,
  TRPCMutationProcedure,
  TRPCQueryProcedure,
  TRPCSubscriptionProcedure,
} from "@trpc/server";
import type * as z from "zod/mini";
import type { Contract } from "./contract.ts";
import type { WireError } from "./errors.ts";
import type { Procedure } from "./procedure.ts";

export interface SottoErrorShape extends TRPCDefaultErrorShape {
  data: TRPCDefaultErrorShape["data"] & { sotto: WireError };
}

/** A procedure without input is called without an argument. */
type InputOf<P extends Procedure> = keyof P["input"]["shape"] extends never
  ? void | z.input<P["input"]>
  : z.input<P["input"]>;

type ProcedureType<P extends Procedure> = P["kind"] extends "query"
  ? TRPCQueryProcedure<{ input: InputOf<P>; output: z.output<P["output"]>; meta: object }>
  : P["kind"] extends "mutation"
    ? TRPCMutationProcedure<{ input: InputOf<P>; output: z.output<P["output"]>; meta: object }>
    : TRPCSubscriptionProcedure<{
        input: InputOf<P>;
        output: AsyncIterable<z.output<P["output"]>, void, unknown>;
        meta: object;
      }>;

/** Uploads and downloads are on REST alone. */
type NameOnTrpc<P, Name> = P extends { kind: "upload" | "download" } ? never : Name;

type RouterRecord = {
  [Area in keyof Contract]: {
    [
      Name in keyof Contract[Area] as NameOnTrpc<Contract[Area][Name], Name>
    ]: Contract[Area][Name] extends Procedure ? ProcedureType<Contract[Area][Name]> : never;
  };
};

/** The type of the tRPC router, made from the contract alone: `createTRPCClient<ContractRouter>()`. */
export type ContractRouter = TRPCBuiltRouter<
  { ctx: object; meta: object; errorShape: SottoErrorShape; transformer: false },
  RouterRecord
>;
