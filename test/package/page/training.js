/** A training that comes to the same numbers in a page, in its worker and in Node. */

/**
 * Types are a worker's: what gives a promise there is waited for everywhere.
 * @typedef {Pick<import("emberwing/worker").WorkerApi, "DDPMPipeline" | "DDPMScheduler" | "Generator" | "loadDataset" | "Trainer" | "UNet2DModel">} Api
 */

const MODEL = {
  sampleSize: 8,
  layersPerBlock: 1,
  blockOutChannels: [8, 8],
  normNumGroups: 4,
  downBlockTypes: /** @type {const} */ (["DownBlock2D", "DownBlock2D"]),
  upBlockTypes: /** @type {const} */ (["UpBlock2D", "UpBlock2D"]),
};

/**
 * @param {Api} api
 * @param {{ steps: number, signal?: AbortSignal, onStep?: () => void }} options
 */
export async function train(api, { steps, signal, onStep }) {
  const model = await api.UNet2DModel.create(
    { ...MODEL, downBlockTypes: [...MODEL.downBlockTypes], upBlockTypes: [...MODEL.upBlockTypes] },
    { generator: await new api.Generator(1) },
  );
  const scheduler = await new api.DDPMScheduler();
  const dataset = await api.loadDataset("butterflies", { size: 4, resolution: 8 });
  const trainer = await new api.Trainer({ model, scheduler, dataset, steps, batchSize: 4, seed: 3 });
  /** @type {number[]} */
  const losses = [];
  for await (const event of trainer.run(signal ? { signal } : {})) {
    if (event.type !== "step") continue;
    losses.push(event.loss);
    onStep?.();
  }
  return { losses, pipeline: await new api.DDPMPipeline({ unet: model, scheduler }) };
}
