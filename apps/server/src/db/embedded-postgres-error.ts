/** Why the embedded PostgreSQL cannot be had; the message says what to do and is all that a person needs. */
export class EmbeddedPostgresError extends Error {
  override readonly name: string = "EmbeddedPostgresError";
}
