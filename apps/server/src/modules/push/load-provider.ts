import type { Config } from "../../config.ts";
import type { Post } from "../../egress/post.ts";
import type { PushProvider } from "./push-provider.ts";

/** Loads the provider of `PUSH_PROVIDER`. */
export async function loadPushProvider(config: Config, post: Post): Promise<PushProvider> {
  if (config.PUSH_PROVIDER === "webpush") return (await import("./web-push.ts")).createWebPush(config, post);
  if (config.FCM_SERVICE_ACCOUNT_JSON) {
    return (await import("./fcm.ts")).createFcm(config.FCM_SERVICE_ACCOUNT_JSON, { config, post });
  }
  return (await import("./fcm-legacy.ts")).createLegacyFcm(config, post);
}
