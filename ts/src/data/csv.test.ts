import { expect, test } from "vitest";
import { parseCsv } from "./csv.js";

/** What one field can be, and how RFC 4180 writes it. */
const FIELDS = ["", "a", "a b", ",", '"', '""', "\n", "\r\n", '"x","y"', " a ", "é,\n", "'"];
const written = (field: string): string => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field);

test("every pair of fields comes back as it was written, with either end of lines", () => {
  for (const end of ["\n", "\r\n"]) {
    const lines = FIELDS.flatMap((first) => FIELDS.map((second) => [first, second]));
    const text = lines.map((line) => line.map(written).join(",")).join(end);
    expect(parseCsv(text)).toEqual(lines);
    expect(parseCsv(text + end)).toEqual(lines);
  }
});

test("empty lines are left out, and an open quotation mark is none", () => {
  expect(parseCsv("")).toEqual([]);
  expect(parseCsv("a,b\n\n\r\nc,d\n\n")).toEqual([
    ["a", "b"],
    ["c", "d"],
  ]);
  expect(parseCsv('a,"b')).toBeUndefined();
});
