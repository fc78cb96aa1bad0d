import * as payments from "../domains/payments.ts";
import type { Procedures } from "../procedure.ts";

export const paymentsProcedures = {
  receive: {
    kind: "upload",
    access: "public",
    limit: "general",
    summary: "A signed webhook of the payments service; acknowledged, and nothing else",
    ...payments.receive,
    rest: {
      method: "POST",
      path: "/payments/webhooks",
      headers: { event: "X-Webhook-Event", ts: "X-Webhook-Ts", sign: "X-Webhook-Sign" },
    },
    errors: ["WEBHOOK_SIGNATURE_INVALID"],
  },
} as const satisfies Procedures;
