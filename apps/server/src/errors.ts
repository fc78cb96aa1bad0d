import { errorDefinition, type ErrorCode, type ErrorDetails } from "@sotto/schema";

/** A refusal that the caller is told of. Services throw it; only `transport/` turns it into a response. */
export class AppError<Code extends ErrorCode = ErrorCode> extends Error {
  override readonly name = "AppError";
  readonly code: Code;
  readonly details: ErrorDetails<Code> | undefined;

  constructor(code: Code, ...[details]: ErrorDetails<Code> extends undefined ? [] : [ErrorDetails<Code>]) {
    super(errorDefinition(code).detail);
    this.code = code;
    this.details = details;
  }
}

/** The seconds to wait that the error names; 0 for one that names none. */
export function retryAfterOf({ details }: AppError): number {
  return details && "retryAfter" in details ? details.retryAfter : 0;
}
