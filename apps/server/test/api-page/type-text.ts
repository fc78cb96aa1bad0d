type Json = Record<string, unknown>;

const maxLineChars = 90;
const formats: Record<string, string> = { uuid: "uuid", "date-time": "time", binary: "bytes" };

/** A JSON schema in the notation of TypeScript; longer objects take a line for each property. */
export function typeText(schema: unknown, renameKey: (key: string) => string, indent = ""): string {
  if (!isJson(schema)) return "unknown";
  const oneLine = write(schema, { renameKey, indent: undefined });
  return oneLine.length + indent.length <= maxLineChars ? oneLine : write(schema, { renameKey, indent });
}

interface Style {
  renameKey: (key: string) => string;
  /** Undefined: all on one line. */
  indent: string | undefined;
}

function write(schema: unknown, style: Style): string {
  if (!isJson(schema)) return "unknown";
  if (Array.isArray(schema["enum"])) return schema["enum"].map((value) => JSON.stringify(value)).join(" | ");
  if ("const" in schema) return JSON.stringify(schema["const"]);
  const options = schema["anyOf"] ?? schema["oneOf"];
  if (Array.isArray(options)) return options.map((option) => write(option, style)).join(" | ");
  if (Array.isArray(schema["type"]))
    return schema["type"].map((type) => write({ ...schema, type }, style)).join(" | ");
  switch (schema["type"]) {
    case "array":
      return writeArray(schema["items"], style);
    case "object":
      return writeObject(schema, style);
    case "string":
      return formats[String(schema["format"])] ?? "string";
    case undefined:
      return "unknown";
    default:
      return String(schema["type"]);
  }
}

function writeArray(items: unknown, style: Style): string {
  const item = write(items, style);
  return item.includes(" | ") && !item.startsWith("{") ? `(${item})[]` : `${item}[]`;
}

function writeObject(schema: Json, { renameKey, indent }: Style): string {
  const required = new Set(Array.isArray(schema["required"]) ? schema["required"] : []);
  const properties = isJson(schema["properties"]) ? Object.entries(schema["properties"]) : [];
  if (properties.length === 0) {
    const values = schema["additionalProperties"];
    return isJson(values) ? `{ [key]: ${write(values, { renameKey, indent: undefined })} }` : "{}";
  }
  const inner = indent === undefined ? undefined : `${indent}  `;
  const lines = properties.map(([key, value]) => {
    const text =
      inner === undefined
        ? write(value, { renameKey, indent: undefined })
        : typeText(value, renameKey, inner);
    return `${renameKey(key)}${required.has(key) ? "" : "?"}: ${text}`;
  });
  if (inner === undefined) return `{ ${lines.join(", ")} }`;
  return `{\n${lines.map((line) => inner + line).join("\n")}\n${indent}}`;
}

/** Lengths, ranges and sizes, in words. */
export function boundsText(schema: unknown): string {
  const found = findBounded(schema);
  if (!found) return "";
  const [kind, min, max] = found;
  const unit = kind === "" ? "" : ` ${kind}`;
  if (min !== undefined && max !== undefined)
    return min === max ? `${count(max)}${unit}` : `${count(min)} to ${count(max)}${unit}`;
  if (max !== undefined) return `at most ${count(max)}${unit}`;
  return min === undefined ? "" : `at least ${count(min)}${unit}`;
}

const count = (value: number): string => value.toLocaleString("en-US");

type Bounded = [kind: string, min: number | undefined, max: number | undefined];

function findBounded(schema: unknown): Bounded | undefined {
  if (!isJson(schema)) return undefined;
  const options = schema["anyOf"];
  if (Array.isArray(options)) return options.map(findBounded).find((found) => found !== undefined);
  const bound = (key: string): number | undefined => {
    const value = schema[key];
    return typeof value === "number" && Number.isFinite(value) && Math.abs(value) < 2 ** 52
      ? value
      : undefined;
  };
  const found: Bounded[] = [
    ["characters", bound("minLength"), bound("maxLength")],
    ["items", bound("minItems"), bound("maxItems")],
    ["", bound("minimum") ?? bound("exclusiveMinimum"), bound("maximum")],
  ];
  return found.find(([, min, max]) => min !== undefined || max !== undefined);
}

function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
