import { devices, EmberwingError, Generator, type PerSample, type Tensor, UNet2DModel } from "emberwing";
import { describe, expect, test } from "vitest";
import { expectClose, expectTensorClose, maxDifference, sum } from "./closeness.js";
import { fixturePath, need, readJson, readTensors } from "./fixtures.js";

const { cases } = readJson<{ cases: { case: string; parameters: number; grad_norm: number }[] }>("unet2d/index.json");

const tiny = {
  sampleSize: 8,
  layersPerBlock: 1,
  blockOutChannels: [8, 16],
  normNumGroups: 4,
  attentionHeadDim: 4,
  downBlockTypes: ["DownBlock2D", "AttnDownBlock2D"],
  upBlockTypes: ["AttnUpBlock2D", "UpBlock2D"],
} satisfies Parameters<typeof UNet2DModel.create>[0];

function gradientNorm(gradients: Record<string, Tensor>): number {
  return Math.sqrt(sum(Object.values(gradients).map(({ data }) => sum(data.map((value) => value * value)))));
}

describe.each(cases)("$case", (golden) => {
  const io = readTensors(`${golden.case}/io.safetensors`);
  const [sample, timesteps, target] = [need(io, "sample"), need(io, "timesteps"), need(io, "target")];
  const classLabels: PerSample | undefined = io.class_labels;
  const load = () => UNet2DModel.fromPretrained(fixturePath(golden.case));

  test("output", async () => {
    using unet = await load();
    expect(unet.countParameters()).toBe(golden.parameters);
    expectTensorClose(await unet.forward(sample, timesteps, { classLabels }), need(io, "output"), 1e-4);
  });

  test("loss and gradients", async () => {
    using unet = await load();
    const { loss } = await unet.backward({ sample, timesteps, target, classLabels });
    expect(Math.abs(loss - (need(io, "loss").data[0] as number))).toBeLessThan(1e-5);
    const gradients = await unet.gradients();
    expect(gradientNorm(gradients) / golden.grad_norm).toBeCloseTo(1, 4);
    for (const name of Object.keys(io).filter((key) => key.startsWith("grad."))) {
      expectTensorClose(need(gradients, name.slice(5)), need(io, name), 1e-4, name);
    }
  });

  test("gradients through a tracked prediction", async () => {
    using unet = await load();
    using prediction = await unet.forward(sample, timesteps, { classLabels, track: true });
    expectTensorClose(prediction, need(io, "output"), 1e-4);
    // d mean((y − target)²) / dy
    const gradient = prediction.data.map((y, i) => (2 * (y - (target.data[i] as number))) / target.data.length);
    expectTensorClose(
      await prediction.backward({ data: gradient, shape: prediction.shape }),
      need(io, "grad_sample"),
      1e-4,
    );
    expect(gradientNorm(await unet.gradients()) / golden.grad_norm).toBeCloseTo(1, 4);
  });
});

describe("create", () => {
  test("a seed gives PyTorch's weights", async () => {
    using unet = await UNet2DModel.create(tiny, { generator: new Generator(5) });
    using golden = await UNet2DModel.fromPretrained(fixturePath("training/initial"));
    const [weights, expected] = [await unet.parameters(), await golden.parameters()];
    expect(Object.keys(weights)).toEqual(Object.keys(expected));
    for (const name of Object.keys(expected)) expectTensorClose(need(weights, name), need(expected, name), 1e-6, name);
  });

  test("seed 0 of diffusers' own test", async () => {
    const config = { ...tiny, blockOutChannels: [4, 8], attentionHeadDim: 8 };
    using unet = await UNet2DModel.create(config, { generator: new Generator(0) });
    const { data } = need(await unet.parameters(), "conv_in.weight");
    expectClose(data.slice(0, 3), [-0.00144084, 0.10323862, -0.15839511], 1e-7);
  });

  test("fromConfig gives the same shape and other weights", async () => {
    using unet = await UNet2DModel.create(tiny, { generator: new Generator(1) });
    using other = await UNet2DModel.fromConfig(unet, { generator: new Generator(2) });
    expect(other.config).toEqual(unet.config);
    const name = "conv_in.weight";
    const difference = maxDifference(
      need(await unet.parameters(), name).data,
      need(await other.parameters(), name).data,
    );
    expect(difference).toBeGreaterThan(0.01);
  });

  test("diffusers' names and order of parameters", async () => {
    using unet = await UNet2DModel.create(tiny);
    const names = Object.keys(await unet.parameters());
    expect(names.slice(0, 4)).toEqual([
      "conv_in.weight",
      "conv_in.bias",
      "time_embedding.linear_1.weight",
      "time_embedding.linear_1.bias",
    ]);
    expect(names.findIndex((name) => name.startsWith("up_blocks"))).toBeLessThan(
      names.findIndex((name) => name.startsWith("mid_block")),
    );
    expect(devices()).toContain(unet.device);
  });
});

describe("forward and backward", () => {
  const sample = new Generator(0).randn([2, 3, 8, 8]);
  const target = new Generator(1).randn([2, 3, 8, 8]);

  test("one timestep stands for the whole batch", async () => {
    using unet = await UNet2DModel.create(tiny, { generator: new Generator(0) });
    expect(await unet.forward(sample, 10)).toEqual(await unet.forward(sample, [10, 10]));
    expect(await unet.forward(sample, 10)).toEqual(await unet.forward(sample, new Generator(0).randint(10, 11, [2])));
  });

  test("gradients add up until zeroGrad, and calls keep their order", async () => {
    using unet = await UNet2DModel.create(tiny, { generator: new Generator(0) });
    void unet.backward({ sample, timesteps: 10, target });
    const once = unet.gradients();
    void unet.backward({ sample, timesteps: 10, target });
    const twice = unet.gradients();
    void unet.zeroGrad();
    const none = unet.gradients();
    expect(gradientNorm(await twice) / gradientNorm(await once)).toBeCloseTo(2, 4);
    expect(gradientNorm(await none)).toBe(0);
  });

  test("weights multiply the squared error of their sample", async () => {
    using unet = await UNet2DModel.create(tiny, { generator: new Generator(0) });
    const loss = async (weights?: number[]) => (await unet.backward({ sample, timesteps: 10, target, weights })).loss;
    const [both, first, second] = [await loss(), await loss([1, 0]), await loss([0, 1])];
    expect(first + second).toBeCloseTo(both, 5);
    expect(await loss([2, 2])).toBeCloseTo(2 * both, 5);
  });

  test("after dispose, calls reject; calls made before still finish", async () => {
    const unet = await UNet2DModel.create(tiny);
    const before = unet.forward(sample, 10);
    unet.dispose();
    unet.dispose();
    expect((await before).shape).toEqual(sample.shape);
    await expect(unet.forward(sample, 10)).rejects.toMatchObject({ name: "EmberwingError", code: "Disposed" });
  });

  test("a prediction goes backward once", async () => {
    using unet = await UNet2DModel.create(tiny);
    using prediction = await unet.forward(sample, 10, { track: true });
    await prediction.backward(target);
    await expect(prediction.backward(target)).rejects.toThrow(EmberwingError);
  });
});

describe("bad input is refused with an error that teaches", () => {
  const sample = new Generator(0).randn([2, 3, 8, 8]);
  const model = UNet2DModel.create(tiny);
  const nan = { data: sample.data.with(7, Number.POSITIVE_INFINITY), shape: sample.shape };

  test.each<[string, object, EmberwingError["code"], RegExp]>([
    ["a misspelt option", { blockOutChanels: [8] }, "InvalidConfig", /blockOutChanels.*blockOutChannels/],
    ["channels that groups do not divide", { ...tiny, normNumGroups: 3 }, "InvalidConfig", /8.*3|3.*8/],
    ["an unknown block", { ...tiny, downBlockTypes: ["DownBlock2D", "DawnBlock2D"] }, "InvalidConfig", /DawnBlock2D/],
    ["lists of different lengths", { ...tiny, blockOutChannels: [8, 16, 32] }, "InvalidConfig", /2.*3|3.*2/],
    ["an unknown activation", { ...tiny, actFn: "silly" }, "InvalidConfig", /silly/],
  ])("create: %s", async (_, config, code, message) => {
    await expect(UNet2DModel.create(config)).rejects.toThrow(message);
    await expect(UNet2DModel.create(config)).rejects.toMatchObject({ name: "EmberwingError", code });
  });

  test.each<[string, (unet: UNet2DModel) => Promise<unknown>, EmberwingError["code"], RegExp]>([
    ["four channels", (unet) => unet.forward(new Generator(0).randn([2, 4, 8, 8]), 1), "ShapeMismatch", /sample.*3.*4/],
    ["three axes", (unet) => unet.forward(new Generator(0).randn([3, 8, 8]), 1), "ShapeMismatch", /sample/],
    [
      "a height that cannot be halved",
      (unet) => unet.forward(new Generator(0).randn([1, 3, 7, 8]), 1),
      "ShapeMismatch",
      /sample.*7/,
    ],
    ["three timesteps for two samples", (unet) => unet.forward(sample, [1, 2, 3]), "ShapeMismatch", /timesteps.*3/],
    ["a timestep that is no number", (unet) => unet.forward(sample, Number.NaN), "NotFinite", /timesteps.*NaN/i],
    ["infinity in the sample", (unet) => unet.forward(nan, 1), "NotFinite", /sample.*inf/i],
    [
      "infinity in the target",
      (unet) => unet.backward({ sample, timesteps: 1, target: nan }),
      "NotFinite",
      /target.*inf/i,
    ],
    [
      "a target of another shape",
      (unet) => unet.backward({ sample, timesteps: 1, target: new Generator(0).randn([2, 3, 4, 4]) }),
      "ShapeMismatch",
      /target.*\[2, 3, 8, 8\].*\[2, 3, 4, 4\]/,
    ],
    [
      "three weights for two samples",
      (unet) => unet.backward({ sample, timesteps: 1, target: sample, weights: [1, 2, 3] }),
      "ShapeMismatch",
      /weights.*3/,
    ],
    [
      "labels without a class embedding",
      (unet) => unet.forward(sample, 1, { classLabels: [1, 2] }),
      "InvalidArgument",
      /classLabels/,
    ],
    [
      "an unknown option",
      (unet) => unet.forward(sample, 1, { tracked: true } as never),
      "InvalidConfig",
      /tracked.*track/,
    ],
  ])("%s", async (_, act, code, message) => {
    const unet = await model;
    await expect(act(unet)).rejects.toThrow(message);
    await expect(act(unet)).rejects.toMatchObject({ name: "EmberwingError", code });
  });

  test("an unknown device", async () => {
    await expect(UNet2DModel.create(tiny, { device: "tpu:0" })).rejects.toThrow(/device.*cpu.*tpu:0/);
  });

  test("labels that are missing, and labels beyond the table", async () => {
    using unet = await UNet2DModel.create({ ...tiny, numClassEmbeds: 10 });
    await expect(unet.forward(sample, 1)).rejects.toThrow(/classLabels/);
    await expect(unet.forward(sample, 1, { classLabels: [3, 10] })).rejects.toThrow(/classLabels.*10/);
  });
});
