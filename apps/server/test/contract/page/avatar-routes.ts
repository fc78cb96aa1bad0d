import { forbidden, onGroup } from "./groups-routes.ts";
import { strangers } from "./messages-routes.ts";
import { noIds, ok, type PageRoute } from "./page.ts";
import { act } from "./world.ts";

const picture = "https://pictures.example/a.png";
const png = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

const pointing = () => ({ body: { url: picture } });
const showing = () => ({ body: png, headers: { "content-type": "image/png" } });

export const avatarRoutes: PageRoute[] = [
  {
    route: "POST /groups/{id}/avatar/url",
    auth: "user",
    good: (world) => onGroup(world, pointing),
    answer: () => ok,
    wrong: {
      id: noIds,
      url: [
        5,
        null,
        true,
        [],
        {},
        "",
        "abc",
        "http://pictures.example/a.png",
        "javascript:alert(1)",
        "https://",
      ],
    },
    required: ["url"],
    refusals: [
      ...strangers("Group not found", (world) => onGroup(world, pointing)),
      ...forbidden(["admin", "member"], pointing, "Only owner"),
    ],
    again: "the same",
  },
  {
    route: "POST /groups/{id}/avatar/upload",
    auth: "user",
    good: (world) => onGroup(world, showing),
    answer: () => ok,
    wrong: { id: noIds },
    refusals: [
      ...strangers("Group not found", (world) => onGroup(world, showing)),
      ...forbidden(["admin", "member"], showing, "Only owner"),
      {
        status: 400,
        detail: "Empty body",
        why: "an empty body",
        ask: (world) => onGroup(world, () => ({ headers: { "content-type": "image/png" } })),
      },
      {
        status: 415,
        why: "what is no image",
        ask: (world) =>
          onGroup(world, () => ({ body: Buffer.from("<script>"), headers: { "content-type": "text/html" } })),
      },
    ],
    again: "the same",
  },
  {
    route: "GET /groups/{id}/avatar",
    auth: "user",
    good: async (world) => {
      const asked = await onGroup(world, () => ({}), "member");
      await act(world, world.ada, `POST /groups/${asked.params?.["id"]}/avatar/url`, { url: picture });
      return asked;
    },
    answer: () => ({ url: picture }),
    cases: [
      {
        why: "an uploaded one",
        ask: async (world) => {
          const asked = await onGroup(world, () => ({}), "member");
          const response = await fetch(`${world.url}/groups/${asked.params?.["id"]}/avatar/upload`, {
            method: "POST",
            headers: { authorization: `Bearer ${world.ada.token}`, "content-type": "image/png" },
            body: new Uint8Array(png),
          });
          if (response.status !== 200) throw new Error(await response.text());
          return asked;
        },
        answer: () => ({ bytes: png.toString("base64") }),
      },
    ],
    wrong: { id: noIds },
    refusals: [
      ...strangers("Group not found", (world) => onGroup(world)),
      { status: 404, detail: "No avatar", why: "a group without one", ask: (world) => onGroup(world) },
    ],
    again: "the same",
  },
];
