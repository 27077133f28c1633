/** Which of our classes stands for a name in `model_index.json`. */
import { EmberwingError } from "../errors.js";
import { UNet2DModel } from "../models/unet-2d-model.js";
import type { PretrainedFolder } from "../pretrained/folder.js";
import { schedulerClasses } from "../schedulers/registry.js";
import { DDIMPipeline } from "./ddim-pipeline.js";
import { DDPMPipeline } from "./ddpm-pipeline.js";
import type { DiffusionPipeline, LoadPipelineOptions, PipelineComponent } from "./diffusion-pipeline.js";
import { PNDMPipeline } from "./pndm-pipeline.js";
import { RePaintPipeline } from "./repaint-pipeline.js";
import type { UnconditionalComponents } from "./unconditional-pipeline.js";

const pipelineClasses = [DDPMPipeline, DDIMPipeline, PNDMPipeline, RePaintPipeline] as const;

/** How to make a pipeline of this class; its constructor checks that the parts are those that it needs. */
export function findPipeline(className: string): (parts: Record<string, PipelineComponent>) => DiffusionPipeline {
  const Pipeline = pipelineClasses.find((candidate) => candidate.className === className);
  if (!Pipeline) throw unsupported("pipeline", className, pipelineClasses);
  return (parts) => new Pipeline(parts as unknown as UnconditionalComponents);
}

/** What the constructors take. Others are not loaded: a small file could name a large model again and again. */
const PARTS = ["unet", "scheduler"];

export async function loadComponent(
  name: string,
  className: string,
  find: () => Promise<PretrainedFolder>,
  options: LoadPipelineOptions,
): Promise<PipelineComponent> {
  const Component = [UNet2DModel, ...schedulerClasses].find((candidate) => candidate.className === className);
  if (!Component) throw unsupported("component", className, [UNet2DModel, ...schedulerClasses]);
  if (!PARTS.includes(name)) {
    const expected = `expected ${PARTS.join(" and ")}, the parts of the pipelines that there are`;
    throw new EmberwingError("Unsupported", `component \`${name}\`: ${expected}`);
  }
  const { onWarning } = options;
  const folder = await find();
  return Component === UNet2DModel
    ? UNet2DModel.fromPretrained(folder, options)
    : (Component as (typeof schedulerClasses)[number]).fromPretrained(folder, {
        ...(onWarning && { onWarning }),
      });
}

function unsupported(kind: string, className: string, known: readonly { className: string }[]): EmberwingError {
  const names = known.map((candidate) => candidate.className).join(", ");
  return new EmberwingError("Unsupported", `${kind} class ${className}: expected one of ${names}`);
}
