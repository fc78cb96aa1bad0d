import type { DeviceId, UserId } from "@sotto/schema";
import type { Generated } from "kysely";

/** Why a session ended: logged out, or one of its devices was removed. */
export type SessionEnd = "token" | "device_removed";

export type SessionId = string & { readonly session: unique symbol };

interface UserTable {
  id: UserId;
  phone: string;
  name: string | null;
  created_at: Date;
  last_seen_at: Date | null;
}

interface OtpChallengeTable {
  id: string;
  phone: string;
  code_hash: Buffer;
  attempts: number;
  created_at: Date;
  expires_at: Date;
}

interface OtpLockTable {
  phone: string;
  failures: number;
  level: number;
  locked_until: Date | null;
}

interface SessionTable {
  id: SessionId;
  user_id: UserId;
  /** The device that this session published last. */
  device_id: DeviceId | null;
  created_at: Date;
  expires_at: Date;
  ended_at: Date | null;
  end_reason: SessionEnd | null;
  changed_at: Date;
}

interface SessionDeviceTable {
  session_id: SessionId;
  user_id: UserId;
  device_id: DeviceId;
}

interface RegistrationPinTable {
  user_id: UserId;
  salt: Buffer;
  hash: Buffer;
  /** When a token of the user was last used, to the day. */
  seen_at: Date;
  failures: Generated<number>;
  level: Generated<number>;
  locked_until: Date | null;
}

export interface AccountTables {
  users: UserTable;
  otp_challenges: OtpChallengeTable;
  otp_locks: OtpLockTable;
  sessions: SessionTable;
  session_devices: SessionDeviceTable;
  registration_pins: RegistrationPinTable;
}
