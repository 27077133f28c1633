/** A model that lives in the worker, with what the page needs to know of it. */
import type { DDPMPipeline, PretrainedSource, Scheduler, UNet2DModel } from "emberwing";
import type { Remote, WorkerApi } from "emberwing/worker";
import { formatOf, type PictureFormat } from "./picture-choice.js";

export interface Model {
  /** For people. */
  readonly name: string;
  readonly pipeline: Remote<DDPMPipeline>;
  readonly unet: Remote<UNet2DModel>;
  readonly scheduler: Remote<Scheduler>;
  /** Of the pictures that it paints. */
  readonly format: PictureFormat;
  /** How many numbers it has learned. */
  readonly parameters: number;
}

/** Loads a folder that emberwing or diffusers saved: its files, a zip file of them, or their contents by name. */
export async function loadModel(
  api: WorkerApi,
  source: Exclude<PretrainedSource, string>,
  { name, device }: { name: string; device: string },
): Promise<Model> {
  const pipeline = await api.DDPMPipeline.fromPretrained(source, { device });
  return describeModel(name, { pipeline, unet: await pipeline.unet, scheduler: await pipeline.scheduler });
}

export async function describeModel(
  name: string,
  parts: Pick<Model, "pipeline" | "unet" | "scheduler">,
): Promise<Model> {
  const config = await parts.unet.config;
  if (config.numClassEmbeds !== null) {
    throw new Error("This model paints by class; this page has models without classes only.");
  }
  return { name, ...parts, format: formatOf(config), parameters: await parts.unet.countParameters() };
}

/** The same model on another device. */
export async function moveModel(api: WorkerApi, model: Model, device: string): Promise<Model> {
  const files = await filesOf(model);
  return loadModel(api, files, { name: model.name, device });
}

/** The files of its folder, as diffusers names them. */
export async function filesOf(model: Model): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  await model.pipeline.savePretrained(files);
  return files;
}

export function titleOf({ name, format: { width, height }, parameters }: Model): string {
  return `${name}: ${width} × ${height}, ${(parameters / 1e6).toFixed(parameters < 1e6 ? 2 : 1)} million weights`;
}
