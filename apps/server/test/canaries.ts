import { randomUUID } from "node:crypto";
import { Client } from "pg";

/** Marked texts and bytes, by what they are, and where any of their forms stands. */
export class Canaries {
  readonly known = new Map<string, string>();
  readonly #forms: { what: string; form: string }[] = [];
  readonly #codes: { what: string; expression: RegExp }[] = [];

  /** A text that is nowhere else. */
  plant(what: string): string {
    return this.add(what, `canary-${what}-${randomUUID()}`);
  }

  add(what: string, text: string): string {
    this.known.set(text, what);
    this.addBytes(what, Buffer.from(text));
    return text;
  }

  /** At least 16 of them: fewer would be found by chance. */
  addBytes(what: string, bytes: Uint8Array): void {
    for (const form of formsOf(Buffer.from(bytes))) this.#forms.push({ what, form });
  }

  /** A short code counts where it stands by itself: its digits come by chance too. */
  addCode(what: string, code: string): void {
    this.#codes.push({ what, expression: new RegExp(`(?<![\\w.])${code}(?!\\w)`) });
  }

  foundIn(text: string): string[] {
    return [...this.known].filter(([canary]) => text.includes(canary)).map(([, what]) => what);
  }

  /** What stands there as it is, in hex, base64 or base64url, wherever in a longer text or file it begins. */
  foundInAnyForm(where: Uint8Array | string): Set<string> {
    const text = typeof where === "string" ? Buffer.from(where) : Buffer.from(where);
    const plain = text.toString("latin1");
    return new Set([
      ...this.#forms.filter(({ form }) => plain.includes(form)).map(({ what }) => what),
      ...this.#codes.filter(({ expression }) => expression.test(plain)).map(({ what }) => what),
    ]);
  }
}

/** In base64 a text looks different at each of three places in its groups; its edges are left out. */
function formsOf(bytes: Buffer): string[] {
  const inBase64 = [0, 1, 2].map((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64url");
    return encoded.slice(before === 0 ? 0 : before + 1, Math.floor(((before + bytes.length) * 8) / 6));
  });
  const hex = bytes.toString("hex");
  const standard = inBase64.map((form) => form.replaceAll("-", "+").replaceAll("_", "/"));
  return [...new Set([bytes.toString("latin1"), hex, hex.toUpperCase(), ...inBase64, ...standard])];
}

/** Every row of every table as a text, bytes as hex. */
export async function readTables(databaseUrl: string): Promise<Map<string, string[]>> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const tables = await client.query<{ schema: string; name: string }>(
      `select table_schema as schema, table_name as name from information_schema.tables
       where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`,
    );
    const found = new Map<string, string[]>();
    for (const { schema, name } of tables.rows) {
      const { rows } = await client.query<{ row: string }>(
        `select t::text as row from "${schema}"."${name}" t`,
      );
      const shown = schema === "public" ? name : `${schema}.${name}`;
      found.set(
        shown,
        rows.map(({ row }) => row),
      );
    }
    return found;
  } finally {
    await client.end();
  }
}
