import { describe, expect, test } from "vitest";
import { loadConfig, type Config } from "../src/config.ts";
import { createPost, ForbiddenAddress, type OutgoingRequest } from "../src/egress/post.ts";
import { HttpStandIn } from "./http-stand-in.ts";

const dev = loadConfig({});
// As outside dev, but with http, so that a stand-in without a certificate could be reached if the rule failed.
const strict: Config = { ...dev, isDev: false };
const request: OutgoingRequest = { headers: { "x-test": "1" }, body: "{}", timeoutMs: 2_000 };

async function refusalOf(config: Config, url: string): Promise<unknown> {
  using post = createPost(config);
  return await post(url, request).catch((error: unknown) => error);
}

describe("outside dev", () => {
  test.each([
    "https://127.0.0.1/",
    "https://2130706433/",
    "https://0177.0.0.1/",
    "https://0x7f.1/",
    "https://0x7f000001/",
    "https://127.1/",
    "https://127.0.0.1./",
    "https://%31%32%37.0.0.1/",
    "https://１２７.0.0.1/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://169.254.169.254/latest/meta-data/",
    "https://10.0.0.1/",
    "https://100.64.0.1/",
    "https://[fd00:ec2::254]/",
    "https://0.0.0.0/",
  ])("%s is refused", async (url) => expect(await refusalOf(strict, url)).toBeInstanceOf(ForbiddenAddress));

  test.each(["localhost", "LOCALHOST"])("%s, which is a name, is refused at the look-up", async (host) => {
    expect(await refusalOf(strict, `https://${host}:1/`)).toBeInstanceOf(ForbiddenAddress);
  });

  test("plain http is refused", async () => {
    expect(await refusalOf(strict, "http://example.com/")).toBeInstanceOf(ForbiddenAddress);
    expect(await refusalOf(strict, "ftp://example.com/")).toBeInstanceOf(ForbiddenAddress);
  });

  test("a host that the operator exempts is reached", async () => {
    const exempting = { ...strict, OUTGOING_PRIVATE_HOSTS: ["localhost", "127.0.0.1"] };
    for (const url of ["https://localhost:1/", "https://127.0.0.1:1/"]) {
      expect(await refusalOf(exempting, url)).toMatchObject({ code: "ECONNREFUSED" });
    }
    expect(await refusalOf(exempting, "https://127.0.0.2:1/")).toBeInstanceOf(ForbiddenAddress);
  });
});

describe("in dev", () => {
  test("loopback over http is reached, by address and by name", async () => {
    await using standIn = await HttpStandIn.listen();
    using post = createPost(dev);
    expect((await post(standIn.url, request)).status).toBe(200);
    expect((await post(`http://localhost:${standIn.port}/path`, request)).status).toBe(200);
    expect(
      standIn.received.map(({ path, body, headers }) => [path, body.toString(), headers["x-test"]]),
    ).toEqual([
      ["/", "{}", "1"],
      ["/path", "{}", "1"],
    ]);
  });

  test("other private addresses are refused", async () => {
    for (const url of ["http://10.0.0.1/", "http://169.254.169.254/", "https://[fd00::1]/"]) {
      expect(await refusalOf(dev, url)).toBeInstanceOf(ForbiddenAddress);
    }
  });

  test("a redirect is an answer, not a way", async () => {
    await using standIn = await HttpStandIn.listen();
    standIn.answer = () => ({ status: 302, headers: { location: "/elsewhere" } });
    using post = createPost(dev);
    expect((await post(standIn.url, request)).status).toBe(302);
    expect(standIn.received).toHaveLength(1);
  });

  test("a long answer is cut, a slow one given up", async () => {
    await using standIn = await HttpStandIn.listen();
    using post = createPost(dev);
    standIn.answer = () => ({ status: 200, body: "x".repeat(5_000_000) });
    expect((await post(standIn.url, request)).text).toHaveLength(16_384);
    standIn.answer = () => new Promise(() => {});
    await expect(post(standIn.url, { ...request, timeoutMs: 50 })).rejects.toThrow();
  });
});
