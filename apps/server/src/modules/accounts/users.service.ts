/** What other modules may ask about users. */
export { findLastSeen, holdUsers, lockUser, updateLastSeen } from "./users.queries.ts";
