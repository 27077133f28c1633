/** What emberwing saves, Python's diffusers loads unchanged. Set EMBERWING_PYTHON to a Python that has diffusers. */
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler, Generator, UNet2DModel } from "emberwing";
import { expect, test } from "vitest";
import { expectClose } from "./closeness.js";
import { pythonProblem, runPython } from "./python.js";

const script = fileURLToPath(new URL("python/round_trip.py", import.meta.url));
const missing = pythonProblem("diffusers", "torch");
if (missing) console.warn(`skipped: ${missing}`);

const ddpm = () => new DDPMScheduler({ betaSchedule: "squaredcos_cap_v2", varianceType: "fixed_large" });
const ddim = () => new DDIMScheduler({ timestepSpacing: "trailing" });

test.for([
  { name: "DDPM", Pipeline: DDPMPipeline, scheduler: ddpm },
  { name: "DDIM", Pipeline: DDIMPipeline, scheduler: ddim },
] as const)(
  "$name: Python paints the same pictures from our folder, and writes the same files",
  { timeout: 300_000 },
  async ({ Pipeline, scheduler }, { skip }) => {
    if (missing) skip(missing);
    const unet = await UNet2DModel.create(
      { sampleSize: 16, layersPerBlock: 1, blockOutChannels: [8, 16], normNumGroups: 4, ...blocks },
      { generator: new Generator(11) },
    );
    const pipeline = new Pipeline({ unet, scheduler: scheduler() });
    const folder = await mkdtemp(join(tmpdir(), "emberwing-"));
    await pipeline.savePretrained(join(folder, "ours"));

    runPython(script, join(folder, "ours"), "12", "5", folder);
    const { images } = await pipeline.generate({ batchSize: 2, numInferenceSteps: 12, seed: 5, outputType: "tensor" });
    expectClose(images.data, JSON.parse(await readFile(join(folder, "images.json"), "utf8")), 1e-3);

    const read = (path: string) => readFile(join(folder, path), "utf8").then(withoutTraces);
    for (const file of ["model_index.json", "scheduler/scheduler_config.json", "unet/config.json"]) {
      expect(await read(`again/${file}`), file).toBe(await read(`ours/${file}`));
    }
    const again = await Pipeline.fromPretrained(join(folder, "again"));
    expect(await again.unet.parameters()).toEqual(await unet.parameters());
  },
);

const blocks = {
  downBlockTypes: ["DownBlock2D", "AttnDownBlock2D"],
  upBlockTypes: ["AttnUpBlock2D", "UpBlock2D"],
} satisfies Parameters<typeof UNet2DModel.create>[0];

/** Without the two lines that diffusers adds about itself: where it loaded from, and its version. */
function withoutTraces(json: string): string {
  return json.replace(/^ *"(_name_or_path|_diffusers_version)": .*\n/gm, "");
}
