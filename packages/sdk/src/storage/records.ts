import type * as z from "zod/mini";
import { SottoError } from "../errors.ts";
import type { ListOptions, Store, StoreWrite } from "./store.ts";

export type KeyPart = string | number;
/** A store, or changes to one that are not committed yet. */
export type Reader = Pick<Store, "get" | "list">;
const numberWidth = 16;

/** ASCII whatever the part holds; numbers sort as numbers. */
function encodePart(part: KeyPart): string {
  return typeof part === "number" ? String(part).padStart(numberWidth, "0") : encodeURIComponent(part);
}

/** One kind of value in the store, under `name/…`, checked by its schema when it is read: throws `STORE_DAMAGED`. */
export function defineRecord<Schema extends z.ZodMiniType>(name: string, schema: Schema) {
  const keyOf = (parts: readonly KeyPart[]) => [name, ...parts.map(encodePart)].join("/");
  const parse = (value: unknown): z.output<Schema> => {
    const parsed = schema.safeParse(value);
    if (!parsed.success) throw new SottoError("STORE_DAMAGED", { cause: parsed.error });
    return parsed.data;
  };
  return {
    schema,

    async get(store: Reader, ...parts: KeyPart[]): Promise<z.output<Schema> | undefined> {
      const value = await store.get(keyOf(parts));
      return value === undefined ? undefined : parse(value);
    },

    /** All whose keys begin with these parts, by key. `path` holds the parts after the name, as text. */
    async list(
      store: Reader,
      parts: readonly KeyPart[] = [],
      options: Omit<ListOptions, "after"> & { after?: readonly KeyPart[] | undefined } = {},
    ): Promise<{ path: string[]; value: z.output<Schema> }[]> {
      const after = options.after && keyOf(options.after);
      const items = await store.list(`${keyOf(parts)}/`, { ...options, after });
      return items.map(({ key, value }) => ({
        path: key.split("/").slice(1).map(decodeURIComponent),
        value: parse(value),
      }));
    },

    put: (parts: readonly KeyPart[], value: z.input<Schema>): StoreWrite => ({ key: keyOf(parts), value }),
    remove: (...parts: KeyPart[]): StoreWrite => ({ key: keyOf(parts), value: undefined }),
  };
}
