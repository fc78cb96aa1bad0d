import { randomUUID } from "node:crypto";
import { newPerson } from "../people.ts";
import { aTime } from "../shapes.ts";
import { noIds, noTexts, ok, unknownId, type PageRoute, withBody } from "./page.ts";
import { act, type World } from "./world.ts";

const phone = { device_id: "phone", public_key: "key-of-phone", device_name: null, created_at: aTime };
const noDeviceIds = [5, true, [], {}, "", "x".repeat(65), "a\u0007b"];

/** A device that may be taken away: of somebody with another token. */
async function spareDevice(world: World): Promise<{ by: World["ada"]; params: Record<string, string> }> {
  const by = await newPerson(world.url);
  await newPerson(world.url, "spare", by.phone);
  return { by, params: { device_id: "spare" } };
}

const noDevice = {
  status: 404,
  detail: "Device not found",
  why: "a device that is not there",
  ask: ({ ada }: World) => ({ by: ada, params: { device_id: "none" }, body: { device_name: "n" } }),
};
const anothersDevice = {
  ...noDevice,
  why: "another user's device",
  ask: async (world: World) => {
    await act(world, world.bob, "POST /keys/publish", { device_id: "of-bob", public_key: "k" });
    return { by: world.ada, params: { device_id: "of-bob" }, body: { device_name: "n" } };
  },
};

export const keysRoutes: PageRoute[] = [
  {
    route: "POST /keys/publish",
    auth: "user",
    good: async ({ url }) => ({
      by: await newPerson(url),
      body: { device_id: "phone", public_key: "another", device_name: "Ada's", push_token: "t" },
    }),
    answer: () => ({ device_id: "phone", public_key: "another", device_name: "Ada's", created_at: aTime }),
    wrong: {
      device_id: noDeviceIds,
      public_key: [5, true, null, [], {}, "", "x".repeat(16_385)],
      device_name: [...noTexts, "x".repeat(129)],
      push_token: [...noTexts, "x".repeat(4097)],
    },
    required: ["public_key"],
    again: "the same",
    creates: withBody({ device_name: "Bob's" }),
  },
  {
    route: "GET /keys/me",
    auth: "user",
    good: async ({ url }) => ({ by: await newPerson(url) }),
    answer: () => [phone],
    again: "the same",
  },
  {
    route: "GET /keys/{user_id}",
    auth: "user",
    good: async ({ url, ada }) => ({ by: ada, params: { user_id: (await newPerson(url)).id } }),
    answer: () => [phone],
    cases: [
      {
        why: "an unknown user",
        ask: ({ ada }) => ({ by: ada, params: { user_id: unknownId } }),
        answer: () => [],
      },
    ],
    wrong: { user_id: noIds },
    again: "the same",
  },
  {
    route: "PUT /keys/devices/{device_id}",
    auth: "user",
    good: ({ ada }) => ({
      by: ada,
      params: { device_id: "phone" },
      body: { device_name: randomUUID(), push_token: null },
    }),
    answer: () => ok,
    wrong: {
      device_name: [...noTexts, "x".repeat(129)],
      push_token: [...noTexts, "x".repeat(4097)],
      device_id: ["x".repeat(65), "\u0001"],
    },
    refusals: [noDevice, anothersDevice],
    again: "the same",
  },
  {
    route: "DELETE /keys/devices/{device_id}",
    auth: "user",
    good: spareDevice,
    answer: () => ok,
    wrong: { device_id: ["x".repeat(65), "\u0001"] },
    refusals: [noDevice, anothersDevice],
    again: { status: 404, detail: "Device not found" },
  },
];
