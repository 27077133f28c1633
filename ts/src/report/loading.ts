/** How to use a pipeline folder, as code that can be copied. */

export function typeScriptExample(pipelineDir: string): string {
  return `import { DiffusionPipeline, imageGrid } from "emberwing";

const pipeline = await DiffusionPipeline.fromPretrained(${JSON.stringify(pipelineDir)});
const { images } = await pipeline.generate({ batchSize: 8, seed: 0 });
await imageGrid(images).save("samples.png");`;
}

export function pythonExample(pipelineDir: string): string {
  return `import torch
from diffusers import DDPMPipeline

pipeline = DDPMPipeline.from_pretrained(${JSON.stringify(pipelineDir)})
generator = torch.Generator("cpu").manual_seed(0)
pipeline(batch_size=1, generator=generator).images[0].save("sample.png")`;
}
