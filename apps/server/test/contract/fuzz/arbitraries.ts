import { gzipSync } from "node:zlib";
import { contract, toSnake, type Procedure } from "@sotto/schema";
import fc from "fast-check";
import { unknownId } from "../contract-routes.ts";

/** Strings that are something somewhere. */
const knownTexts = [
  unknownId,
  "phone",
  "true",
  "1e999",
  "-1",
  "9007199254740993",
  "99999999999999999999999999",
  "2026-02-30",
  "0000-01-01",
  "+275760-09-13T00:00:00Z",
  "9999-12-31T23:59:60+23:59",
  "+4915112345678",
  "👩‍👩‍👧‍👦",
  "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
  "e\u0301",
  "%",
  "%00",
  "%zz",
  "%c0%af",
  "%ed%a0%80",
  "..",
  ".",
  "\0",
  "\ud800",
  "\u202e",
  "';--",
  "$1",
  "{}",
  "__proto__",
  "constructor",
  "https://user:secret@127.0.0.1:1/%00",
  "",
];

const fieldNames = [
  ...new Set(
    Object.values(contract)
      .flatMap((procedures) => Object.values(procedures))
      .flatMap((procedure: Procedure) => Object.keys(procedure.input.shape))
      .flatMap((name) => [name, toSnake(name)]),
  ),
  "__proto__",
  "constructor",
  "toString",
];

/** Base64 of a few bytes that are to be many, in one way or another. */
const bombs = [
  "A".repeat(3_000_000),
  `${"QUFB".repeat(400_000)}====`,
  gzipSync(Buffer.alloc(2_000_000)).toString("base64"),
  "=".repeat(100_000),
];

const headerTexts = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: "binary", maxLength: 40 }).map((text) => Buffer.from(text).toString("latin1")),
  fc.constantFrom(
    "image/png",
    "text/html",
    "a.png",
    "../../etc/passwd",
    'a"; filename="b',
    "x".repeat(7_000),
  ),
);

const rangeTexts = fc.oneof(
  fc.constantFrom(
    "bytes=0-",
    "bytes=-1",
    "bytes=5-1",
    "bytes=0-0,2-3",
    "bytes=0-0,0-0,0-0,0-0,0-0,0-0",
    "bytes=99999999999999999999-",
    "bytes=-99999999999999999999",
    "bytes=-0",
    "bytes=-",
    "lines=1-2",
  ),
  fc.tuple(fc.integer(), fc.integer()).map(([from, to]) => `bytes=${from}-${to}`),
);

/** Headers that something reads, with whatever a client may put there. */
export const anyHeaders: fc.Arbitrary<Record<string, string>> = fc
  .record(
    {
      range: rangeTexts,
      "if-range": headerTexts,
      "if-none-match": headerTexts,
      "content-type": headerTexts,
      "content-encoding": fc.constantFrom("gzip", "br", "identity", "x"),
      "idempotency-key": headerTexts,
      "x-content-type": headerTexts,
      "x-filename": headerTexts,
      "x-webhook-event": headerTexts,
      "x-webhook-ts": fc.oneof(headerTexts, fc.constant(String(Math.floor(Date.now() / 1000)))),
      "x-webhook-sign": fc.oneof(headerTexts, fc.constant("0".repeat(64))),
      "x-request-id": headerTexts,
      origin: headerTexts,
      accept: headerTexts,
    },
    { requiredKeys: [] },
  )
  .map((headers) =>
    Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value.replace(/[^\t\x20-\x7e\x80-\xff]/g, "")]),
    ),
  );

/** Texts, values, objects and bodies, in which the given ids are among the texts. */
export function createArbitraries(ids: string[]) {
  const telling = fc.constantFrom(...ids, ...knownTexts);
  const anyText = fc.oneof(
    { weight: 3, arbitrary: telling },
    { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 100 }) },
    { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 80 }) },
  );
  const scalar: fc.Arbitrary<unknown> = fc.oneof(
    anyText,
    fc.integer(),
    fc.double(),
    fc.constantFrom(null, true, false, 0, -1, 1e308, Number.MAX_SAFE_INTEGER, 2 ** 53, "x".repeat(70_000)),
  );
  const anyJson: fc.Arbitrary<unknown> = fc.oneof(
    { weight: 4, arbitrary: scalar },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 6 }) },
    { weight: 1, arbitrary: fc.array(fc.dictionary(anyText, scalar, { maxKeys: 4 }), { maxLength: 4 }) },
  );
  const anyField = fc.oneof(fc.constantFrom(...fieldNames), anyText);
  const anyObject = fc.dictionary(anyField, anyJson, { maxKeys: 8 });
  const importItem = fc.record(
    {
      id: anyText,
      ciphertext: fc.oneof(anyText, anyJson),
      sent_at: fc.oneof(anyText, anyJson),
      sender_device_id: anyText,
      sender_user_id: anyText,
      wrap: anyJson,
    },
    { requiredKeys: ["ciphertext"] },
  );
  const anyImport = fc.record({
    conversation_id: anyText,
    version: fc.constantFrom(1, 2, null),
    messages: fc.oneof(
      fc.array(importItem, { maxLength: 5 }),
      importItem.map((item) => Array.from({ length: 2_000 }, () => item)),
    ),
  });
  const anyBody: fc.Arbitrary<string | Buffer> = fc.oneof(
    { weight: 8, arbitrary: anyObject.map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: anyJson.map((value) => JSON.stringify(value) ?? "") },
    { weight: 2, arbitrary: anyImport.map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
    { weight: 2, arbitrary: fc.uint8Array({ maxLength: 3_000 }).map((bytes) => Buffer.from(bytes)) },
    {
      weight: 1,
      arbitrary: fc.nat(5_000).map((depth) => `{"recipients":${"[".repeat(depth)}${"]".repeat(depth)}}`),
    },
    { weight: 1, arbitrary: fc.constantFrom(...bombs).map((bomb) => `{"ciphertext_b64":"${bomb}"}`) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<string | Buffer>(
        '{"__proto__":{"token":"x"},"limit":1e400}',
        gzipSync(Buffer.alloc(2_000_000)),
        Buffer.concat([Buffer.from('{"phone":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]),
      ),
    },
  );
  return { anyText, anyField, anyJson, anyBody };
}

/** The path with its parameters: escaped, or as the request line may just hold them. */
export function fillPath(template: string, params: string[], isEscaped: boolean): string {
  let next = 0;
  return template.replace(/\{\w+\}/g, () => {
    const param = params[next++] ?? "";
    return isEscaped ? encodeURIComponent(param.toWellFormed()) : param.replace(/[^\x21-\x7e]|[#?]/g, "%");
  });
}

export function toQuery(given: Record<string, string>): string {
  const entries = Object.entries(given).map(([key, value]) => [key.toWellFormed(), value.toWellFormed()]);
  return new URLSearchParams(entries).toString();
}
