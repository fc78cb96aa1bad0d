/** What other modules may ask about users. */
export { findLastSeen, hasUser, holdUsers, lockUser, updateLastSeen } from "./users.queries.ts";
