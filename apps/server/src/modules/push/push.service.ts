import type { ConversationId, DeviceId, UserId } from "@sotto/schema";
import type { Job, Queue } from "pg-boss";
import type { Wake } from "../../bus/bus.ts";
import type { Config } from "../../config.ts";
import type { Db, Tx } from "../../db/db.ts";
import type { Jobs } from "../../jobs/jobs.ts";
import type { Log } from "../../log.ts";
import type { PresenceStore } from "../presence/presence-store.ts";
import { PushRefused, type Push, type PushProvider } from "./push-provider.ts";
import {
  forgetToken,
  holdConversation,
  listTokens,
  listUndelivered,
  type PushDevice,
  type PushTarget,
} from "./push.queries.ts";

const occasionQueue = "push/occasions";
const deviceQueue = "push/devices";
/** Holds what was given up, until `npm run push:redrive`. */
export const deadPushQueue = "push/dead";
const occasionWorkers = 2;
const deviceWorkers = 8;
/** Messages that follow each other within this are told of by one push, and those read meanwhile by none. */
const delaySecs = 1;
const pageSize = 500;
const daySeconds = 86_400;

/** Why devices may be pushed to. */
type Occasion =
  | { kind: "messages"; conversationId: ConversationId; fromSeq: number }
  | { kind: "device_added"; userId: UserId; deviceId: DeviceId };

type DeviceJob = PushDevice & { occasion: Occasion };

/** `short`: one job waits for each conversation and for each device in it, so that bursts become one push. */
export const describePushQueues = (config: Config): Queue[] => [
  { name: deadPushQueue, retentionSeconds: 7 * daySeconds },
  {
    name: occasionQueue,
    policy: "short",
    retryLimit: 10,
    retryDelay: 1,
    retryBackoff: true,
    retryDelayMax: 60,
    expireInSeconds: 120,
    deleteAfterSeconds: 3_600,
  },
  {
    name: deviceQueue,
    policy: "short",
    retryLimit: config.PUSH_RETRY_LIMIT,
    retryDelay: 1,
    retryBackoff: true,
    retryDelayMax: 3_600,
    expireInSeconds: 60,
    deleteAfterSeconds: 3_600,
    deadLetter: deadPushQueue,
  },
];

export interface Pushes {
  /** Stores what may have to be pushed, in the transaction of the change. */
  store(tx: Tx, wakes: readonly Wake[]): Promise<void>;
}

export interface PushParts {
  db: Db;
  jobs: Jobs;
  presence: PresenceStore;
  log: Log;
}

/**
 * Pushes to the devices that a message was not delivered to and that hold no socket: looked up when
 * the job runs, and once more for each device when its push is sent.
 */
export async function startPushes(parts: PushParts, provider: PushProvider): Promise<Pushes> {
  const { jobs } = parts;
  await jobs.work<Occasion>(occasionQueue, {
    count: occasionWorkers,
    handle: (job) => fanOut(parts, job),
  });
  await jobs.work<DeviceJob>(deviceQueue, {
    count: deviceWorkers,
    handle: (job) => pushTo(parts, provider, job.data),
  });
  return {
    store: async (tx, wakes) => {
      const occasions = [...deriveOccasions(wakes)];
      if (occasions.length === 0) return;
      const inserted = occasions.map(([singletonKey, data]) => ({
        singletonKey,
        data,
        startAfter: delaySecs,
      }));
      await jobs.insert(tx, occasionQueue, inserted);
    },
  };
}

/** By what makes two of them one: a conversation's messages are told of together. */
function deriveOccasions(wakes: readonly Wake[]): Map<string, Occasion> {
  const occasions = new Map<string, Occasion>();
  for (const wake of wakes) {
    if (wake.kind !== "entry") continue;
    const { seq, log, body } = wake.entry;
    if (body.type === "message.created") {
      const { conversationId } = body.message;
      if (!occasions.has(conversationId)) {
        occasions.set(conversationId, { kind: "messages", conversationId, fromSeq: seq });
      }
    }
    if (body.type === "device_list.changed" && body.change === "added") {
      // An account's log is named by its user's id.
      const userId = log as string as UserId;
      occasions.set(`${userId}/${body.deviceId}`, { kind: "device_added", userId, deviceId: body.deviceId });
    }
  }
  return occasions;
}

async function fanOut(parts: PushParts, { data: occasion }: Job<Occasion>): Promise<void> {
  const { db, jobs, presence } = parts;
  for await (const targets of listTargets(db, occasion)) {
    const isOnline = await Promise.all(
      targets.map((one) => presence.isDeviceOnline(one.userId, one.deviceId)),
    );
    const inserted = targets
      .filter((_, i) => !isOnline[i])
      .map(({ userId, deviceId }) => ({
        singletonKey: `${keyOf(occasion)}/${userId}/${deviceId}`,
        data: { userId, deviceId, occasion },
      }));
    if (inserted.length > 0) await db.transaction().execute((tx) => jobs.insert(tx, deviceQueue, inserted));
  }
  jobs.wake(deviceQueue);
}

const keyOf = (occasion: Occasion): string =>
  occasion.kind === "messages" ? occasion.conversationId : `new/${occasion.deviceId}`;

async function* listTargets(db: Db, occasion: Occasion): AsyncIterable<PushTarget[]> {
  if (occasion.kind === "device_added") {
    const tokens = await listTokens(db, occasion.userId);
    yield tokens.filter(({ deviceId }) => deviceId !== occasion.deviceId);
    return;
  }
  // A sender that found this job waiting may not have committed yet.
  await db.transaction().execute((tx) => holdConversation(tx, occasion.conversationId));
  let after: PushTarget | undefined;
  do {
    const page = await listUndelivered(db, occasion, { after, limit: pageSize });
    yield page;
    after = page.length === pageSize ? page.at(-1) : undefined;
  } while (after);
}

/** One push, if the device still needs it. */
async function pushTo(parts: PushParts, provider: PushProvider, job: DeviceJob): Promise<void> {
  const { db, log, presence } = parts;
  if (await presence.isDeviceOnline(job.userId, job.deviceId)) return;
  const found = await findPush(db, job);
  if (!found) return;
  const { target, push } = found;
  try {
    if ((await provider(target.pushToken, push)) === "sent") return;
    await forgetToken(db, target);
    log.info({ userId: job.userId, deviceId: job.deviceId }, "a push token was dead and is forgotten");
  } catch (error) {
    if (!(error instanceof PushRefused)) throw error;
    log.warn({ err: error, userId: job.userId, deviceId: job.deviceId }, "a push was refused");
  }
}

async function findPush(db: Db, job: DeviceJob): Promise<{ target: PushTarget; push: Push } | undefined> {
  const { occasion, userId, deviceId } = job;
  if (occasion.kind === "device_added") {
    const target = (await listTokens(db, userId)).find((one) => one.deviceId === deviceId);
    return target && { target, push: newDevicePush(userId) };
  }
  const [target] = await listUndelivered(db, occasion, { only: { userId, deviceId }, limit: 1 });
  return target && { target, push: newMessagePush(occasion.conversationId, target.messageId) };
}

function newMessagePush(conversationId: ConversationId, messageId: string): Push {
  return {
    title: "New message",
    body: "You have a new message",
    data: { conversation_id: conversationId, message_id: messageId },
    collapseKey: conversationId,
  };
}

function newDevicePush(userId: UserId): Push {
  return {
    title: "New device",
    body: "A new device was added to your account",
    data: {},
    collapseKey: userId,
  };
}
