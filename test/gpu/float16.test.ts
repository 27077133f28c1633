/** Activations of float16 on a card. */
import { EmberwingError, type Tensor } from "emberwing";
import { describe, expect, test } from "vitest";
import { need } from "../fixtures.js";
import { create, relativeDifference, sample, target, testAgainstFloat32, timesteps } from "../half-size.js";

/** A card without it says so; then that is all there is to test. */
async function refusal(): Promise<EmberwingError | undefined> {
  try {
    (await create("float16", "gpu")).dispose();
    return undefined;
  } catch (error) {
    if (error instanceof EmberwingError) return error;
    throw error;
  }
}
const refused = await refusal();
if (refused) console.warn(`float16: skipped, ${refused.message}`);

test("a card without it says what has it", () => {
  if (refused) expect(refused).toMatchObject({ code: "Unsupported", message: expect.stringContaining("gpu:0") });
});

test("bfloat16 is for the processor, and the error says what to take", async () => {
  await expect(create("bfloat16", "gpu")).rejects.toMatchObject({
    code: "Unsupported",
    message: expect.stringMatching(/processor.*gpu:0.*float16.*float32/),
  });
});

describe.skipIf(refused)("as in float32", () => {
  testAgainstFloat32("float16", "gpu", { output: 0.02, gradient: 0.05, checkpointed: 0.01, loss: 0.02, picture: 4 });

  test("gradients too large for it are found with a smaller factor, and none is lost", async () => {
    // The first factor on the loss, 65536, takes these beyond 65504.
    const weights = [4000, 4000, 4000];
    const lists: Record<string, Tensor>[] = [];
    for (const dtype of ["float16", "float32"] as const) {
      using unet = await create(dtype, "gpu");
      await unet.backward({ sample, timesteps, target });
      const { loss } = await unet.backward({ sample, timesteps, target, weights });
      expect(loss).toBeGreaterThan(1000);
      lists.push(await unet.gradients());
    }
    const [found = {}, expected = {}] = lists;
    for (const name of Object.keys(expected)) {
      expect(relativeDifference(need(found, name), need(expected, name), 1), name).toBeLessThan(0.05);
    }
  });

  test("a loss of one's own, its gradient too large for the first factor", async () => {
    const gradient = { shape: target.shape, data: target.data.map((value) => 100 * value) };
    const found: Tensor[] = [];
    for (const dtype of ["float16", "float32"] as const) {
      using unet = await create(dtype, "gpu");
      const prediction = await unet.forward(sample, timesteps, { track: true });
      found.push(await prediction.backward(gradient), need(await unet.gradients(), "conv_in.weight"));
    }
    const [ofSample, ofWeight, expectedOfSample, expectedOfWeight] = found as [Tensor, Tensor, Tensor, Tensor];
    expect(relativeDifference(ofSample, expectedOfSample)).toBeLessThan(0.05);
    expect(relativeDifference(ofWeight, expectedOfWeight)).toBeLessThan(0.05);
  });
});
