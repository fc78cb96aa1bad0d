/** What other modules may ask about users. */
export {
  findLastSeen,
  findUserByPhone,
  holdUsers,
  lockUser,
  lockUsers,
  updateLastSeen,
} from "./users.queries.ts";
