/**
 * The first inputs of the fuzz targets `checkpoint`, `optimizer` and `generator`: of a run of the model that
 * crates/fuzz/src/targets.rs trains.
 *
 *     node test/fuzz/make-checkpoint.mjs     # after npm run build; writes corpus/<target>/seed-*
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DDPMScheduler, Generator, loadDataset, Trainer, UNet2DModel } from "emberwing";

const corpus = new URL("corpus/", import.meta.url).pathname;
for (const target of ["checkpoint", "optimizer", "generator"]) mkdirSync(join(corpus, target), { recursive: true });
const outputDir = mkdtempSync(join(tmpdir(), "emberwing-fuzz-"));
const generator = new Generator(0);
const model = await UNet2DModel.create(
  {
    ...{ sampleSize: 4, blockOutChannels: [4], normNumGroups: 2, layersPerBlock: 1, addAttention: false, dropout: 0.1 },
    ...{ downBlockTypes: ["DownBlock2D"], upBlockTypes: ["UpBlock2D"] },
  },
  { generator },
);
const dataset = await loadDataset("butterflies", { resolution: 4, size: 5, randomFlip: true });
const scheduler = new DDPMScheduler();
const run = { model, scheduler, dataset, epochs: 2, batchSize: 2, generator, outputDir, checkpointingSteps: 1 };
for await (const event of new Trainer(run).run()) {
  if (event.type !== "checkpoint") continue;
  cpSync(join(event.path, "trainer_state.json"), join(corpus, "checkpoint", `seed-${event.step}`));
  cpSync(join(event.path, "optimizer.safetensors"), join(corpus, "optimizer", `seed-${event.step}`));
  if (event.step === 2) break;
}
generator.randn([3]);
writeFileSync(join(corpus, "generator/seed-0"), generator.getState());
rmSync(outputDir, { recursive: true });
