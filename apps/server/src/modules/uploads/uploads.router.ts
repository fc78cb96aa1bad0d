import type { Handlers } from "../../pipeline/call.ts";
import { append, cancel, create, get } from "./uploads.service.ts";

export const uploadsRouter: Handlers<"uploads"> = { create, get, append, cancel };
