import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clientMessageId, deviceId, parseTime, text, time, userId } from "./primitives.ts";

const noon = Date.UTC(2026, 2, 1, 12);

describe("parseTime", () => {
  test.each([
    ["2026-03-01T12:00:00.000Z", noon],
    ["2026-03-01T12:00:00Z", noon],
    ["2026-03-01T12:00Z", noon],
    ["2026-03-01T12Z", noon],
    ["2026-03-01T12:00:00", noon],
    ["2026-03-01 12:00:00", noon],
    ["2026-03-01 12:00:00 Z", noon],
    [" 2026-03-01T12:00:00Z ", noon],
    ["2026-03-01t12:00:00z", noon],
    ["2026-03-01T12:00:00,250Z", noon + 250],
    ["2026-03-01T12:00:00.25Z", noon + 250],
    ["2026-03-01T12:00:00.123456789Z", noon + 123],
    ["2026-03-01T14:00:00+02:00", noon],
    ["2026-03-01T14:00:00+0200", noon],
    ["2026-03-01T14:00:00+02", noon],
    ["2026-03-01T06:30:00-05:30", noon],
    ["2026-03-01T12:00:00-00:00", noon],
    ["20260301T120000Z", noon],
    ["20260301T1400+0200", noon],
    ["20260301", noon - 43_200_000],
    ["2026-03-01", noon - 43_200_000],
    ["2026-03-01T24:00:00Z", noon + 43_200_000],
    ["2016-12-31T23:59:60Z", Date.UTC(2017, 0, 1)],
    ["2024-02-29", Date.UTC(2024, 1, 29)],
    ["0000-01-01", Date.parse("0000-01-01T00:00:00Z")],
    ["9999-12-31T23:59:59.999Z", Date.parse("9999-12-31T23:59:59.999Z")],
  ])("reads %j", (value, ms) => {
    expect(parseTime(value)).toBe(ms);
  });

  test.each([
    "",
    "now",
    "12:00",
    "2026",
    "2026-03",
    "2026-3-1",
    "2026-0301",
    "202603-01",
    "2026-13-01",
    "2026-00-01",
    "2026-02-30",
    "2025-02-29",
    "2026-03-01T25:00Z",
    "2026-03-01T24:00:01Z",
    "2026-03-01T12:60Z",
    "2026-03-01T12:00:61Z",
    "2026-03-01T12:00:00+24:00",
    "2026-03-01T12:00:00+01:60",
    "2026-03-01T12:00:00 CET",
    "2026-03-01T12:00:00Zulu",
    "2026-03-01T",
    "2026-03-01Z",
    "+002026-03-01T00:00:00Z",
    "1772366400",
    "２０２６-03-01",
  ])("refuses %j", (value) => {
    expect(parseTime(value)).toBeUndefined();
  });

  test("reads every time that we write", () => {
    const written = fc.date({
      min: new Date("0000-01-01"),
      max: new Date("9999-12-31"),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(written, (date) => {
        expect(time.parse(date.toISOString())).toBe(date.toISOString());
        expect(parseTime(date.toISOString())).toBe(date.getTime());
      }),
    );
  });

  test("gives a time or undefined for anything, at once", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 64 }), (value) => {
        const ms = parseTime(value);
        expect(ms === undefined || Number.isSafeInteger(ms)).toBe(true);
      }),
    );
    const start = performance.now();
    parseTime("2026-03-01T".padEnd(100_000, "0"));
    expect(performance.now() - start).toBeLessThan(100);
  });
});

test("ids are UUIDs in lower case, of any version", () => {
  for (const id of ["01999999-9999-7999-8999-999999999999", "00000000-0000-0000-0000-000000000000"]) {
    expect(userId.safeParse(id).success).toBe(true);
  }
  const bad = [
    "01999999-9999-7999-8999-99999999999A",
    "0199999999997999899999999999999",
    "",
    5,
    null,
    "{01999999-9999-7999-8999-999999999999}",
  ];
  for (const id of bad) expect(userId.safeParse(id).success, String(id)).toBe(false);
});

test.each([
  ["deviceId", deviceId],
  ["clientMessageId", clientMessageId],
])("%s has 1 to 64 characters that are seen", (_, schema) => {
  for (const good of ["a", "x".repeat(64), "Größe 📱", "a/b"])
    expect(schema.safeParse(good).success).toBe(true);
  for (const bad of ["", "x".repeat(65), "a\0", "a\n", "\u007f", "\ud800"]) {
    expect(schema.safeParse(bad).success, JSON.stringify(bad)).toBe(false);
  }
});

test("text holds what PostgreSQL gives back", () => {
  for (const good of ["", "a\nb", "📱".repeat(5)]) expect(text(10).safeParse(good).success).toBe(true);
  for (const bad of ["x".repeat(11), "\0", "\ud83d", "\udcf1"])
    expect(text(10).safeParse(bad).success).toBe(false);
});
