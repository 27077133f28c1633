/** Pictures of a model that may have learned classes. */
import type { UNet2DModel } from "../models/unet-2d-model.js";

/** The classes of `count` pictures, one after the other and around again; none for a model without classes. */
export function classesInTurn({ config }: UNet2DModel, count: number): number[] {
  const { numClassEmbeds } = config;
  return numClassEmbeds === null ? [] : Array.from({ length: count }, (_, index) => index % numClassEmbeds);
}
