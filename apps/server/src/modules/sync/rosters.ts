import type { ConversationId, UserId } from "@sotto/schema";
import type { Audience, GroupAudience } from "../logs/entries.ts";

type Members = ReadonlySet<UserId>;
type Read = (conversationId: ConversationId, rosterSeq: number) => Promise<UserId[]>;

/** Whom an entry is for. */
export type Resolved = readonly UserId[] | Members;

/** Most members of all cached groups together. */
const maxCachedMembers = 1_000_000;

interface Roster {
  rosterSeq: number;
  members: Members | Promise<Members>;
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
  resolve(audience: Audience): Resolved | Promise<Resolved> {
    if (!("rosterSeq" in audience)) return audience;
    const { left = [] } = audience;
    const members = this.#membersOf(audience.conversationId, audience.rosterSeq);
    const withLeft = (all: Members): Members => (left.length === 0 ? all : new Set([...all, ...left]));
    return members instanceof Promise ? members.then(withLeft) : withLeft(members);
  }

  /** How many members the audience has, where that is known without reading. */
  countKnown({ conversationId, rosterSeq }: GroupAudience): number | undefined {
    const known = this.#rosters.get(conversationId);
    if (known?.rosterSeq !== rosterSeq || known.members instanceof Promise) return undefined;
    return known.members.size;
  }

  /** Whether the user is in the group as its members were last read here; they may have changed since. */
  hasMember(conversationId: ConversationId, userId: UserId): boolean {
    const known = this.#rosters.get(conversationId);
    return known !== undefined && !(known.members instanceof Promise) && known.members.has(userId);
  }

  #membersOf(conversationId: ConversationId, rosterSeq: number): Members | Promise<Members> {
    const known = this.#rosters.get(conversationId);
    if (known?.rosterSeq === rosterSeq) {
      this.#rosters.delete(conversationId);
      this.#rosters.set(conversationId, known);
      return known.members;
    }
    const read = this.#read(conversationId, rosterSeq).then((members) => new Set(members));
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

  #keep(conversationId: ConversationId, roster: Roster, members: Members): void {
    if (this.#rosters.get(conversationId) !== roster) return;
    roster.members = members;
    this.#size += members.size;
    for (const oldest of this.#rosters.keys()) {
      if (this.#size <= maxCachedMembers || oldest === conversationId) return;
      this.#forget(oldest);
    }
  }

  #forget(conversationId: ConversationId): void {
    const known = this.#rosters.get(conversationId);
    if (known && !(known.members instanceof Promise)) this.#size -= known.members.size;
    this.#rosters.delete(conversationId);
  }
}
