import type { Handlers } from "../../pipeline/call.ts";
import {
  getDevices,
  getDevicesOfMany,
  publishDevice,
  removeDevice,
  renameDevice,
} from "./devices.service.ts";

export const devicesRouter: Handlers<"keys"> = {
  publish: publishDevice,
  listMine: (call) => getDevices(call, call.caller.userId),
  list: (call, { userId }) => getDevices(call, userId),
  listMany: (call, { userIds }) => getDevicesOfMany(call, userIds),
  update: renameDevice,
  remove: (call, { deviceId }) => removeDevice(call, deviceId),
};
