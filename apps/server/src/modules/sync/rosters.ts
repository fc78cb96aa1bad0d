import type { ConversationId, UserId } from "@sotto/schema";
import type { Audience, GroupAudience } from "../logs/entries.ts";

type Read = (conversationId: ConversationId, rosterSeq: number) => Promise<UserId[]>;

/** Most members of all cached groups together. */
const maxCachedMembers = 1_000_000;

interface Roster {
  rosterSeq: number;
  members: UserId[] | Promise<UserId[]>;
}

/**
 * Who is told of an entry. A group's members are read once a change of them: what was read for a
 * number of a membership entry never changes. The least recently used group is forgotten first.
 */
export class Rosters {
  readonly #read: Read;
  readonly #rosters = new Map<ConversationId, Roster>();
  #size = 0;

  constructor(read: Read) {
    this.#read = read;
  }

  /** At once where the members are known, so that entries keep their order. */
  resolve(audience: Audience): readonly UserId[] | Promise<readonly UserId[]> {
    if (!("rosterSeq" in audience)) return audience;
    const { left = [] } = audience;
    const members = this.#membersOf(audience.conversationId, audience.rosterSeq);
    if (!Array.isArray(members)) return members.then((all) => [...all, ...left]);
    return left.length === 0 ? members : [...members, ...left];
  }

  /** How many members the audience has, where that is known without reading. */
  countKnown({ conversationId, rosterSeq }: GroupAudience): number | undefined {
    const known = this.#rosters.get(conversationId);
    return known?.rosterSeq === rosterSeq && Array.isArray(known.members) ? known.members.length : undefined;
  }

  #membersOf(conversationId: ConversationId, rosterSeq: number): UserId[] | Promise<UserId[]> {
    const known = this.#rosters.get(conversationId);
    if (known?.rosterSeq === rosterSeq) {
      this.#rosters.delete(conversationId);
      this.#rosters.set(conversationId, known);
      return known.members;
    }
    const read = this.#read(conversationId, rosterSeq);
    // An entry that comes late must not put the present members out.
    if (known && known.rosterSeq > rosterSeq) return read;
    this.#forget(conversationId);
    const roster: Roster = { rosterSeq, members: read };
    this.#rosters.set(conversationId, roster);
    read.then(
      (members) => this.#keep(conversationId, roster, members),
      () => this.#rosters.get(conversationId) === roster && this.#forget(conversationId),
    );
    return read;
  }

  #keep(conversationId: ConversationId, roster: Roster, members: UserId[]): void {
    if (this.#rosters.get(conversationId) !== roster) return;
    roster.members = members;
    this.#size += members.length;
    for (const oldest of this.#rosters.keys()) {
      if (this.#size <= maxCachedMembers || oldest === conversationId) return;
      this.#forget(oldest);
    }
  }

  #forget(conversationId: ConversationId): void {
    const known = this.#rosters.get(conversationId);
    if (known && Array.isArray(known.members)) this.#size -= known.members.length;
    this.#rosters.delete(conversationId);
  }
}
