import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { crc32c, maskedCrc32c } from "./crc32c.js";
import { type EventContent, encodeEvent } from "./events.js";

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("checksums", () => {
  // RFC 3720, appendix B.4.
  test.each([
    ["32 zeros", new Uint8Array(32), 0x8a9136aa],
    ["32 ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ["0 to 31", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ["the digits", ascii("123456789"), 0xe3069283],
    ["nothing", new Uint8Array(0), 0],
  ])("of %s", (_, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });

  test("are masked as TensorFlow does", () => {
    expect(maskedCrc32c(new Uint8Array(0))).toBe(0xa282ead8);
  });
});

describe("records are those of TensorBoard's own writer", () => {
  const golden = JSON.parse(
    readFileSync(new URL("../../../test/fixtures/tensorboard/events.json", import.meta.url), "utf8"),
  ) as Record<string, string>;

  test.each<[string, number, EventContent]>([
    ["head", 0, { fileVersion: "brain.Event:2" }],
    ["scalars", 300, { scalars: { loss: 0.5, lr: 1e-4 } }],
    ["large_step", 2 ** 40, { scalars: { loss: -1 } }],
    ["session", 7, { sessionStart: true }],
  ])("%s", (name, step, content) => {
    expect(hex(encodeEvent(1.5, step, content))).toBe(golden[name]);
  });
});
