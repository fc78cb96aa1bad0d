import type { DeviceId, UserId } from "@sotto/schema";

interface DeviceListTable {
  user_id: UserId;
  version: number;
  list: Buffer;
  hash: Buffer;
  published_at: Date;
}

interface DeviceHandoverTable {
  user_id: UserId;
  /** Whom it is for. */
  device_id: DeviceId;
  from_device_id: DeviceId;
  body: string;
  wrap: string;
  created_at: Date;
}

export interface DeviceListTables {
  device_lists: DeviceListTable;
  device_handovers: DeviceHandoverTable;
}
