import { EmberwingError } from "../errors.js";
import type { DeviceOptions } from "../models/unet-2d-model.js";
import { DiffusionPipeline } from "../pipelines/diffusion-pipeline.js";
import { UnconditionalPipeline } from "../pipelines/unconditional-pipeline.js";
import { warn } from "./output.js";
import { withTransfers } from "./transfers.js";

/** A pipeline that paints without being told what: the only kind that the commands draw with and train. */
export async function loadPipeline(path: string, where: DeviceOptions): Promise<UnconditionalPipeline> {
  const pipeline = await withTransfers("downloading", (onProgress) =>
    DiffusionPipeline.fromPretrained(path, { ...where, onProgress, onWarning: warn }),
  );
  if (pipeline instanceof UnconditionalPipeline) return pipeline;
  throw new EmberwingError(
    "Unsupported",
    `${path}: expected an unconditional pipeline, got ${pipeline.constructor.name}`,
  );
}
