import type { Handlers } from "../../pipeline/call.ts";
import { receiveWebhook } from "./payments.service.ts";

export const paymentsRouter: Handlers<"payments"> = {
  receive: (call, input) => receiveWebhook(call, input),
};
