import type { Handlers } from "../../pipeline/call.ts";
import { importMessages } from "./imports.service.ts";

export const archiveRouter: Handlers<"archive"> = {
  import: importMessages,
};
