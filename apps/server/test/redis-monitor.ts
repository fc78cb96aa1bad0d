import { once } from "node:events";
import { Redis } from "ioredis";

/** Keeps every command that a Redis is given, what is published included; at the end, what it holds. */
export class RedisMonitor implements AsyncDisposable {
  readonly commands: string[] = [];
  readonly #reader: Redis;
  readonly #monitor: Redis;
  readonly #seen = new Set<() => void>();

  private constructor(reader: Redis, monitor: Redis) {
    this.#reader = reader;
    this.#monitor = monitor;
    monitor.on("monitor", (_time: string, args: string[]) => {
      this.commands.push(args.join(" "));
      for (const check of this.#seen) check();
    });
  }

  static async listen(url: string): Promise<RedisMonitor> {
    const reader = new Redis(url);
    return new RedisMonitor(reader, await reader.monitor());
  }

  /** Every key with its value, once all commands before this one were heard. */
  async readAll(): Promise<string[]> {
    const mark = `heard-${performance.now()}`;
    const heard = new Promise<void>((resolve) => {
      this.#seen.add(() => this.commands.at(-1)?.includes(mark) && resolve());
    });
    await this.#reader.echo(mark);
    await heard;
    const all: string[] = [];
    for (const key of await this.#reader.keys("*")) all.push(`${key} ${await this.#read(key)}`);
    return all;
  }

  async #read(key: string): Promise<string> {
    const redis = this.#reader;
    switch (await redis.type(key)) {
      case "string":
        return String(await redis.get(key));
      case "hash":
        return JSON.stringify(await redis.hgetall(key));
      case "set":
        return JSON.stringify(await redis.smembers(key));
      case "zset":
        return JSON.stringify(await redis.zrange(key, "0", "-1"));
      case "list":
        return JSON.stringify(await redis.lrange(key, 0, -1));
      case "none":
        return "";
      default:
        throw new Error(`${key} is of a type that is not read here`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#monitor, "end");
    this.#monitor.disconnect();
    this.#reader.disconnect();
    await ended;
  }
}
