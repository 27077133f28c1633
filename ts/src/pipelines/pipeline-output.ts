/** What `generate` gives back. */
import { call } from "../engine.js";
import { invalidArgument } from "../errors.js";
import { type Image, imagesFromTensor } from "../images.js";
import { shapeOf, type Tensor } from "../tensor.js";
import type { GenerateOptions } from "./diffusion-pipeline.js";

type OutputType = GenerateOptions["outputType"];

export function checkOutputType(outputType: OutputType): void {
  if (outputType !== undefined && outputType !== "image" && outputType !== "tensor") {
    throw invalidArgument("outputType", '"image" or "tensor"', outputType);
  }
}

/** The pictures in a denoised sample, NCHW. */
export function outputOf(sample: Tensor, outputType: OutputType = "image"): Image[] | Tensor {
  return outputType === "tensor" ? toUnitRange(sample) : imagesFromTensor(sample);
}

/** diffusers' `output_type="np"`. */
function toUnitRange(sample: Tensor): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = sample.shape;
  const data = call((core) => core.toUnitImages(sample.data, shapeOf(sample)));
  return { data, shape: [batch, height, width, channels] };
}
