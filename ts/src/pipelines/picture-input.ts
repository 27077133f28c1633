/** Pictures that a pipeline starts from: one of several kinds in, a batch of tensors out. */
import { call } from "../engine.js";
import { EmberwingError, invalidArgument } from "../errors.js";
import { Image } from "../images.js";
import { checkInteger } from "../options.js";
import {
  encodedPicture,
  isPictureSource,
  PICTURE_SOURCES,
  type PictureSource,
  takePicture,
} from "../picture-sources.js";
import { checkAttached, checkTensor, elementCount, type Tensor, takeValues } from "../tensor.js";

/** One picture, several of one size, or a tensor of shape [batch, channels, height, width]. */
export type PictureInput = Image | PictureSource | readonly (Image | PictureSource)[] | Tensor;

/** NCHW in [−1, 1], of what the input is at the time of the call. One picture is repeated `batchSize` times; of several there must be as many as that. */
export async function picturesOf(
  argument: string,
  input: PictureInput,
  batchSize: number | undefined,
): Promise<Tensor> {
  const pictures = await stackOf(argument, input, (image) => image.toTensor());
  const [count = 1, ...size] = pictures.shape;
  if (batchSize === undefined || batchSize === count) return pictures;
  checkInteger("batchSize", batchSize, 1);
  if (count !== 1)
    throw invalidArgument("batchSize", `${count}, as many as there are pictures in ${argument}`, batchSize);
  return stack(Array.from({ length: batchSize }, () => ({ data: pictures.data, shape: size })));
}

/** Shape [batch, 1, height, width]: 1 where a mask is lighter than the middle grey, else 0. Tensors stay as they are. */
export function masksOf(argument: string, input: PictureInput): Promise<Tensor> {
  return stackOf(argument, input, ({ data, channels, height, width }) => ({
    data: call((core) => core.pixelsToMask(data, channels, height, width)),
    shape: [1, height, width],
  }));
}

async function stackOf(argument: string, input: PictureInput, convert: (image: Image) => Tensor): Promise<Tensor> {
  if (isTensor(input)) return checkBatch(argument, input);
  const list: readonly (Image | PictureSource)[] = Array.isArray(input) ? input : [input];
  if (list.length === 0 || !list.every((one) => one instanceof Image || isPictureSource(one))) {
    throw invalidArgument(argument, `an Image, ${PICTURE_SOURCES}, an array of them or a tensor`, input);
  }
  return stackImages(argument, await Promise.all(list.map((one) => imageOf(argument, one))), convert);
}

function isTensor(input: PictureInput): input is Tensor {
  return Array.isArray((input as Partial<Tensor> | null)?.shape);
}

function checkBatch(argument: string, tensor: Tensor): Tensor {
  checkTensor(argument, tensor);
  if (tensor.shape.length === 4) return { data: takeValues(tensor), shape: [...tensor.shape] };
  throw new EmberwingError(
    "ShapeMismatch",
    `${argument}: expected [batch, channels, height, width], got [${tensor.shape}]`,
  );
}

async function imageOf(argument: string, picture: Image | PictureSource): Promise<Image> {
  if (!(picture instanceof Image)) {
    return Image.decode(await encodedPicture(argument, takePicture(argument, picture)), argument);
  }
  const { data, width, height, channels } = picture;
  checkAttached(argument, data);
  return new Image(new Uint8Array(data), width, height, channels);
}

function stackImages(argument: string, images: readonly Image[], convert: (image: Image) => Tensor): Tensor {
  const describe = ({ width, height, channels }: Image): string => `${width}×${height} with ${channels} channels`;
  const sizes = images.map(describe);
  const odd = sizes.find((size) => size !== sizes[0]);
  if (odd) throw invalidArgument(argument, `pictures of ${sizes[0]} only`, odd);
  return stack(images.map(convert));
}

function stack(tensors: readonly Tensor[]): Tensor {
  const shape = tensors[0]?.shape ?? [];
  const data = new Float32Array(tensors.length * elementCount(shape));
  for (const [index, tensor] of tensors.entries()) data.set(tensor.data, index * tensor.data.length);
  return { data, shape: [tensors.length, ...shape] };
}
