import { sql, type Kysely } from "kysely";

/**
 * Roles, invites, avatars and the audit of groups. The code before it still runs on it: it knows no
 * groups, and the members of its direct conversations get the default role.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table conversation_members
      add column role text not null default 'member' check (role in ('owner', 'admin', 'member'));
    create unique index conversation_members_present on conversation_members (conversation_id, user_id)
      where to_seq is null;
    create unique index conversation_members_one_owner on conversation_members (conversation_id)
      where to_seq is null and role = 'owner';

    alter table conversations
      add column avatar_url text,
      add column avatar_blob_id uuid,
      add check (avatar_url is null or avatar_blob_id is null);

    create table group_invites (
      conversation_id uuid not null,
      code text not null,
      created_by uuid not null,
      created_at timestamptz not null,
      expires_at timestamptz,
      max_uses integer not null,
      uses integer not null default 0,
      primary key (conversation_id, code),
      check (uses >= 0 and (max_uses = 0 or uses <= max_uses))
    );
    create unique index group_invites_by_code on group_invites (code);
    comment on column group_invites.max_uses is '0: no limit';

    create table audit_rows (
      conversation_id uuid not null,
      id uuid not null,
      action text not null,
      actor_user_id uuid not null,
      target_user_id uuid,
      message_id uuid,
      created_at timestamptz not null,
      primary key (conversation_id, id)
    );
  `.execute(db);
}
