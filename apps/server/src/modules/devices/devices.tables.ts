import type { DeviceId, UserId } from "@sotto/schema";

interface DeviceTable {
  user_id: UserId;
  device_id: DeviceId;
  public_key: string;
  device_name: string | null;
  push_token: string | null;
  created_at: Date;
  updated_at: Date;
  last_seen_at: Date;
}

export interface DeviceTables {
  devices: DeviceTable;
}
