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

export function loadComponent(
  className: string,
  folder: PretrainedFolder,
  options: LoadPipelineOptions,
): Promise<PipelineComponent> {
  if (className === UNet2DModel.className) return UNet2DModel.fromPretrained(folder, options);
  const Scheduler = schedulerClasses.find((candidate) => candidate.className === className);
  if (!Scheduler) throw unsupported("component", className, [UNet2DModel, ...schedulerClasses]);
  return Scheduler.fromPretrained(folder);
}

function unsupported(kind: string, className: string, known: readonly { className: string }[]): EmberwingError {
  const names = known.map((candidate) => candidate.className).join(", ");
  return new EmberwingError("Unsupported", `${kind} class ${className}: expected one of ${names}`);
}
