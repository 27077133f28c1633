/** Inputs are read, or copied, before a call returns: what is done to them afterwards changes nothing. */
import {
  AdamW,
  DDPMPipeline,
  DDPMScheduler,
  EMAModel,
  Generator,
  Image,
  loadDataset,
  RePaintPipeline,
  type Tensor,
  UNet2DModel,
  zip,
} from "emberwing";
import { describe, expect, test } from "vitest";

const CONFIG = {
  sampleSize: 8,
  layersPerBlock: 1,
  blockOutChannels: [8, 8],
  normNumGroups: 4,
  numClassEmbeds: 3,
  downBlockTypes: ["DownBlock2D", "DownBlock2D"],
  upBlockTypes: ["UpBlock2D", "UpBlock2D"],
} satisfies Parameters<typeof UNet2DModel.create>[0];

const model = (more: Partial<typeof CONFIG> = {}) =>
  UNet2DModel.create({ ...CONFIG, ...more }, { generator: new Generator(1) });
const plain = () => {
  const { numClassEmbeds: _, ...config } = CONFIG;
  return UNet2DModel.create(config, { generator: new Generator(1) });
};
/** In a buffer of JavaScript's own, which can be transferred. */
const own = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);
const noise = (seed = 2, shape = [2, 3, 8, 8]): Tensor => {
  const { data } = new Generator(seed).randn(shape);
  return { data: new Float32Array(data), shape };
};
const picture = (seed = 3): Image =>
  new Image(
    Uint8Array.from(new Generator(seed).rand([192]).data, (value) => value * 255),
    8,
    8,
    3,
  );
const scheduler = () => new DDPMScheduler({ numTrainTimesteps: 50 });
const draw = { numInferenceSteps: 2, seed: 4, outputType: "tensor" } as const;

interface Entry {
  /** The arrays that the call is given. */
  inputs: (ArrayBufferView | unknown[])[];
  call: () => Promise<unknown>;
}

/** Every call that reads arrays later than it returns would, if it did not take them. */
const ENTRIES: Record<string, () => Promise<Entry>> = {
  async forward() {
    const [unet, sample, timesteps, classLabels] = [await model(), noise(), [5, 6], [1, 2]];
    const inputs = [sample.data, sample.shape, timesteps, classLabels];
    return { inputs, call: () => unet.forward(sample, timesteps, { classLabels }) };
  },
  async "forward with track, and its backward"() {
    const [unet, sample, gradient] = [await plain(), noise(), noise(5)];
    const prediction = await unet.forward(sample, 5, { track: true });
    return { inputs: [gradient.data, gradient.shape], call: () => prediction.backward(gradient) };
  },
  async "forward with track"() {
    const [unet, sample] = [await plain(), noise()];
    const call = async () => {
      const { data, shape } = await unet.forward(sample, 5, { track: true });
      return { data, shape };
    };
    return { inputs: [sample.data, sample.shape], call };
  },
  async backward() {
    const [unet, sample, target] = [await model(), noise(), noise(6)];
    const [timesteps, weights, classLabels] = [Int32Array.of(3, 4), Float32Array.of(1, 0.5), [0, 2]];
    const options = { sample, target, timesteps: Array.from(timesteps), weights, classLabels };
    const call = async () => [await unet.backward(options), await unet.gradients()];
    return { inputs: [sample.data, sample.shape, target.data, options.timesteps, weights, classLabels], call };
  },
  async "AdamW.loadStateDict"() {
    const unet = await plain();
    await unet.backward({ sample: noise(), timesteps: 1, target: noise(7) });
    const first = new AdamW(unet);
    await first.step();
    const [state, second] = [own(await first.stateDict()), new AdamW(unet)];
    const call = async () => {
      await second.loadStateDict(state);
      return second.stateDict();
    };
    return { inputs: [state], call };
  },
  async "generate from a tensor"() {
    const pipeline = new DDPMPipeline({ unet: await plain(), scheduler: scheduler() });
    const image = noise(8);
    return { inputs: [image.data, image.shape], call: () => pipeline.generate({ ...draw, image }) };
  },
  async "generate from images"() {
    const pipeline = new DDPMPipeline({ unet: await plain(), scheduler: scheduler() });
    const image = [picture(3), picture(4)];
    const inputs = [...image.map(({ data }) => data), image];
    return { inputs, call: () => pipeline.generate({ ...draw, image }) };
  },
  async "generate from the content of a file"() {
    const pipeline = new DDPMPipeline({ unet: await plain(), scheduler: scheduler() });
    const image = own(picture().toPNG());
    return { inputs: [image], call: () => pipeline.generate({ ...draw, image }) };
  },
  async "generate with classes"() {
    const pipeline = new DDPMPipeline({ unet: await model(), scheduler: scheduler() });
    const classLabels = [0, 1];
    return { inputs: [classLabels], call: () => pipeline.generate({ ...draw, classLabels }) };
  },
  async "RePaintPipeline.generate"() {
    const pipeline = new RePaintPipeline({ unet: await plain(), scheduler: scheduler() });
    const [image, maskImage] = [noise(9, [1, 3, 8, 8]), noise(10, [1, 1, 8, 8])];
    maskImage.data.forEach((value, index) => {
      maskImage.data[index] = value > 0 ? 1 : 0;
    });
    const more = { numInferenceSteps: 4, jumpLength: 2, jumpNSample: 1 };
    const inputs = [image.data, image.shape, maskImage.data, maskImage.shape];
    return { inputs, call: () => pipeline.generate({ ...draw, ...more, image, maskImage }) };
  },
  async "loadDataset of pixels"() {
    const [{ data }, shape, classLabels] = [noise(11), [2, 3, 8, 8], ["b", "a"]];
    return { inputs: [data, shape, classLabels], call: () => items(loadDataset(data, { shape, classLabels })) };
  },
  async "loadDataset of files in memory"() {
    const source = [own(picture(3).toPNG()), own(picture(4).toPNG())];
    const classLabels = [1, 0];
    const inputs = [...source, source, classLabels];
    return { inputs, call: () => items(loadDataset(source, { resolution: 8, classLabels })) };
  },
  async "loadDataset of ImageData"() {
    const source = [picture(3).toImageData(), picture(4).toImageData()];
    return {
      inputs: [...source.map(({ data }) => data), source],
      call: () => items(loadDataset(source, { resolution: 8 })),
    };
  },
  async "Image.from"() {
    const source = own(picture().toPNG());
    return { inputs: [source], call: () => Image.from(source) };
  },
  async "fromPretrained of contents in memory"() {
    const files = new Map<string, Uint8Array>();
    await new DDPMPipeline({ unet: await plain(), scheduler: scheduler() }).savePretrained(files);
    for (const [path, content] of files) files.set(path, own(content));
    const call = async () => (await DDPMPipeline.fromPretrained(files)).unet.parameters();
    return { inputs: [...files.values()], call };
  },
  async zip() {
    const content = own(picture().toPNG());
    const call = async () => new Uint8Array(await (await zip(new Map([["a.png", content]]))).arrayBuffer());
    return { inputs: [content], call };
  },
  async "Generator.setState"() {
    const [generator, state] = [new Generator(0), own(new Generator(12).getState())];
    const call = async () => {
      generator.setState(state);
      await Promise.resolve();
      return generator.randn([4]);
    };
    return { inputs: [state], call };
  },
  async "Scheduler.addNoise, step and their like"() {
    const steps = scheduler();
    steps.setTimesteps(4);
    const [sample, output] = [noise(), noise(13)];
    const call = async () => {
      const results = [steps.addNoise(sample, output, 5), steps.getVelocity(sample, output, 5)];
      const [t = 0] = steps.timesteps;
      const { prevSample } = steps.step(output, t, sample, { generator: new Generator(0) });
      await Promise.resolve();
      return [...results, prevSample];
    };
    return { inputs: [sample.data, sample.shape, output.data, output.shape], call };
  },
  async "EMAModel.create"() {
    const options = { decay: 0.5 };
    const unet = await plain();
    const call = async () => (await (await EMAModel.create(unet, options)).averagedModel()).parameters();
    return { inputs: [Object.values(options)], call };
  },
};

async function items(loading: ReturnType<typeof loadDataset>): Promise<unknown> {
  const dataset = await loading;
  const all = [];
  for (let index = 0; index < dataset.length; index++) all.push(await dataset.item(index));
  return [all, dataset.classNames];
}

function spoil(input: ArrayBufferView | unknown[]): void {
  if (Array.isArray(input)) input.length = 0;
  else new Uint8Array(input.buffer, input.byteOffset, input.byteLength).fill(7);
}

describe.each(Object.entries(ENTRIES))("%s", (name, entry) => {
  test("takes its inputs before it returns", async () => {
    const expected = await (await entry()).call();
    const { inputs, call } = await entry();
    const busy = (await plain()).forward(noise(), 1); // something is before it in the queue
    const result = call();
    inputs.forEach(spoil);
    expect(await result).toEqual(expected);
    await busy;
  });

  test("leaves its inputs where they are, and refuses those that are gone", async () => {
    const { inputs, call } = await entry();
    const before = JSON.stringify(inputs.map((input) => Array.from(input as Uint8Array)));
    await call();
    expect(JSON.stringify(inputs.map((input) => Array.from(input as Uint8Array)))).toBe(before);

    const views = (await entry()).inputs.filter((input) => ArrayBuffer.isView(input));
    for (const index of views.keys()) {
      const { inputs, call } = await entry();
      const view = inputs.filter((input) => ArrayBuffer.isView(input))[index] as ArrayBufferView<ArrayBuffer>;
      structuredClone(view.buffer, { transfer: [view.buffer] });
      expect(view.byteLength).toBe(0);
      const error = await (async () => call())().then(
        () => expect.unreachable(`${name} took a buffer that is gone`),
        (reason: unknown) => reason,
      );
      expect(error).toMatchObject({ name: "EmberwingError", message: expect.stringContaining("transferred") });
    }
  });
});
