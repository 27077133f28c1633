/** Activations of bfloat16 on the processor. */
import { describe, expect, test } from "vitest";
import { create, testAgainstFloat32 } from "./half-size.js";

describe("as in float32", () => {
  testAgainstFloat32("bfloat16", "cpu", {
    output: 0.05,
    gradient: 0.1,
    // Three bits fewer than float16.
    zero: 8e-3,
    checkpointed: 0.05,
    loss: 0.02,
    picture: 8,
  });
});

test("float16 is for graphics cards, and the error says what to take", async () => {
  await expect(create("float16", "cpu")).rejects.toMatchObject({
    code: "Unsupported",
    message: expect.stringMatching(/cards.*cpu.*bfloat16.*float32/),
  });
});

test("other formats are refused by name", async () => {
  await expect(create("float8" as never, "cpu")).rejects.toMatchObject({
    code: "InvalidArgument",
    message: expect.stringMatching(/dtype.*bfloat16.*float8/),
  });
});
