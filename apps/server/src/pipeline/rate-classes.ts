import type { RateClass } from "@sotto/schema";
import type { App } from "../app.ts";
import type { Caller } from "./call.ts";
import { requireWithinLimit, type LimitName } from "./limits.ts";

interface Who {
  caller: Caller | null;
  address: string;
}

/** Counts a call on every limit of its class, and throws the first that is used up. */
export async function limitCall(app: App, rateClass: RateClass, who: Who): Promise<void> {
  for (const [name, key] of countersOf(app, rateClass, who)) await requireWithinLimit(app.limits, name, key);
}

function countersOf(app: App, rateClass: RateClass, { caller, address }: Who): [LimitName, string][] {
  const account = caller?.userId ?? address;
  switch (rateClass) {
    case "otp":
      // Test suites and load tools make many people from one address.
      return app.config.isDev ? [] : [["otp_address", address]];
    case "keys":
      return [
        ["general", account],
        ["keys", account],
      ];
    case "contact":
      return [
        ["general", account],
        ["contact_device", `${account}/${caller?.deviceId ?? caller?.sessionId ?? ""}`],
        ["contact_account", account],
        ["contact_address", address],
      ];
    case "archive":
    case "general":
    case "message":
    case "signal":
    case "sync":
      return [[rateClass, account]];
  }
}
