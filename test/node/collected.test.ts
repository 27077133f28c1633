/** Objects that nobody names any more are collected, but not while another one works with them. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { AdamW, DDPMScheduler, EMAModel, Generator, loadDataset, Trainer, UNet2DModel } from "emberwing";
import { beforeAll, expect, test } from "vitest";

let collect: () => void;
beforeAll(() => {
  setFlagsFromString("--expose-gc");
  collect = runInNewContext("gc");
});

/** Until finalizers had their turn, and the core has done what they asked for. */
async function collectAll(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const createModel = () =>
  UNet2DModel.create(
    {
      ...{ sampleSize: 8, layersPerBlock: 1, blockOutChannels: [8, 8], normNumGroups: 4 },
      ...{ downBlockTypes: ["DownBlock2D", "DownBlock2D"], upBlockTypes: ["UpBlock2D", "UpBlock2D"] },
    },
    { generator: new Generator(1) },
  );
const sample = () => new Generator(2).randn([1, 3, 8, 8]);

test("what nobody names is given back", async () => {
  const handle = await (async () => (await createModel()).handle)();
  await collectAll();
  await expect(handle.parameter("conv_in.bias")).rejects.toThrow("disposed");
});

test("a trainer keeps its data set and its model", async () => {
  const trainer = await (async () => {
    const dataset = await loadDataset("butterflies", { size: 4, resolution: 8 });
    const [model, scheduler] = [await createModel(), new DDPMScheduler()];
    return new Trainer({ model, scheduler, dataset, steps: 3, batchSize: 4, seed: 3 });
  })();
  const steps: number[] = [];
  for await (const event of trainer.run()) {
    if (event.type === "step") steps.push(event.step);
    await collectAll();
  }
  expect(steps).toEqual([1, 2, 3]);
});

test("a prediction, an optimizer and an average keep the model", async () => {
  const [prediction, optimizer, average] = await (async () => {
    const model = await createModel();
    await model.backward({ sample: sample(), timesteps: 5, target: sample() });
    return [await model.forward(sample(), 5, { track: true }), new AdamW(model), await EMAModel.create(model)] as const;
  })();
  await collectAll();
  expect((await prediction.backward(sample())).shape).toEqual([1, 3, 8, 8]);
  await optimizer.step();
  expect(await average.step()).toBeGreaterThanOrEqual(0);
});
