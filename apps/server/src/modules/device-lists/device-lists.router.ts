import type { Handlers } from "../../pipeline/call.ts";
import { getHandover, getLists, getListsOfMany, publishList } from "./device-lists.service.ts";

export const deviceListsRouter: Handlers<"deviceLists"> = {
  publish: publishList,
  get: getLists,
  getMany: getListsOfMany,
  getHandover,
};
