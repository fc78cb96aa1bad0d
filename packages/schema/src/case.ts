/** The one mapping between tRPC's camelCase and REST's snake_case. */

export function toSnake(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

export function toCamel(key: string): string {
  return key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** Renames the keys of plain objects, however deep. Values are left as they are. */
export function mapKeys(value: unknown, rename: (key: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => mapKeys(item, rename));
  if (typeof value !== "object" || value === null) return value;
  const renamed: Record<string, unknown> = Object.create(null);
  for (const [key, item] of Object.entries(value)) renamed[rename(key)] = mapKeys(item, rename);
  return renamed;
}

const maxRemembered = 1_000;

/** Names are few and come again and again; those that a caller made up are not kept without end. */
function remembering(rename: (key: string) => string): (key: string) => string {
  const known = new Map<string, string>();
  return (key) => {
    const found = known.get(key);
    if (found !== undefined) return found;
    const renamed = rename(key);
    if (known.size < maxRemembered && key.length <= 64) known.set(key, renamed);
    return renamed;
  };
}

const [rememberedSnake, rememberedCamel] = [remembering(toSnake), remembering(toCamel)];

export const toSnakeKeys = (value: unknown): unknown => mapKeys(value, rememberedSnake);
export const toCamelKeys = (value: unknown): unknown => mapKeys(value, rememberedCamel);
