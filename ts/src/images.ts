/** Pictures: bytes that can be looked at, saved, and turned into the numbers that models see. */
import { call } from "./engine.js";
import { invalidArgument } from "./errors.js";
import { checkInteger, checkOptions, checkPath } from "./options.js";
import { encodedPicture, type PictureSource, takePicture } from "./picture-sources.js";
import { files } from "./platform/files.js";
import { checkBytes, checkTensor, elementCount, type Tensor } from "./tensor.js";

/** The fields of a canvas's `ImageData`; in a page it is one. */
export interface ImageDataLike {
  readonly data: Uint8ClampedArray<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
  readonly colorSpace: "srgb";
}

/**
 * A grey or RGB picture of 8 bits a channel.
 *
 * @example
 * const { images } = await pipeline.generate({ batchSize: 8, seed: 0 });
 * await images[0].save("butterfly.png");
 */
export class Image {
  /** Rows of pixels from the top, each pixel's channels together (HWC), 0 to 255. */
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** 1 is grey, 3 is RGB. */
  readonly channels: number;

  constructor(data: Uint8Array, width: number, height: number, channels: number) {
    if (channels !== 1 && channels !== 3) throw invalidArgument("channels", "1 (grey) or 3 (RGB)", channels);
    checkInteger("width", width, 1);
    checkInteger("height", height, 1);
    if (!(data instanceof Uint8Array)) throw invalidArgument("data", "a Uint8Array", data);
    const expected = width * height * channels;
    if (data.length !== expected) {
      throw invalidArgument("data", `${expected} bytes for ${width}×${height}×${channels}`, `${data.length} bytes`);
    }
    this.data = data;
    this.width = width;
    this.height = height;
    this.channels = channels;
  }

  /**
   * Decodes PNG, JPEG, WebP, GIF or BMP: turned as EXIF says, transparency on white.
   *
   * @param name How errors call the picture.
   * @throws `InvalidImage` where the bytes are no such picture.
   */
  static decode(bytes: Uint8Array, name = "image"): Image {
    checkBytes("bytes", bytes);
    const decoded = call((core) => core.decodeImage(name, bytes));
    return new Image(decoded.data(), decoded.width(), decoded.height(), decoded.channels());
  }

  /**
   * A picture that a page has: a picked `File`, a `Blob`, `ImageData` of a canvas, an `ImageBitmap`, or an address.
   *
   * @throws `InvalidImage` where it is no picture, `MissingFile` or `InvalidFile` where an address cannot be read.
   *
   * @example
   * const sketch = await Image.from(context.getImageData(0, 0, 64, 64));
   */
  static async from(source: PictureSource): Promise<Image> {
    const name = source instanceof File ? source.name : source instanceof URL ? source.href : "image";
    return Image.decode(await encodedPicture("source", takePicture("source", source)), name);
  }

  toPNG(): Uint8Array {
    return call((core) => core.encodePng(this.data, this.width, this.height, this.channels));
  }

  /** @param options `quality` from 1 to 100, default 90. */
  toJPEG(options: { quality?: number } = {}): Uint8Array {
    checkOptions("options", options, ["quality"]);
    const { quality = 90 } = options;
    if (!(quality >= 1 && quality <= 100)) throw invalidArgument("quality", "a number from 1 to 100", quality);
    return call((core) => core.encodeJpeg(this.data, this.width, this.height, this.channels, quality));
  }

  /** Writes a PNG or JPEG, as the path's extension says. */
  async save(path: string): Promise<void> {
    checkPath("path", path, "a name that ends in .png, .jpg or .jpeg");
    const target = files(`saving ${path}`);
    await target.write(path, this.#encode(path));
  }

  /** For `canvas.getContext("2d").putImageData(…)`. */
  toImageData(): ImageDataLike {
    const data = new Uint8ClampedArray(this.width * this.height * 4).fill(255);
    for (let pixel = 0; pixel < this.width * this.height; pixel++) {
      for (let channel = 0; channel < 3; channel++) {
        data[4 * pixel + channel] = this.data[this.channels * pixel + (this.channels === 3 ? channel : 0)] as number;
      }
    }
    if (typeof ImageData === "function") return new ImageData(data, this.width, this.height) as ImageDataLike;
    return { data, width: this.width, height: this.height, colorSpace: "srgb" };
  }

  /** Makes the canvas as large as the picture and draws it there. */
  drawOn(canvas: HTMLCanvasElement | OffscreenCanvas): void {
    canvas.width = this.width;
    canvas.height = this.height;
    const context = canvas.getContext("2d") as CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D | null;
    if (!context) throw invalidArgument("canvas", "one that has no other context than 2d", canvas);
    context.putImageData(this.toImageData() as ImageData, 0, 0);
  }

  /** As models see it: shape [channels, height, width], values in [−1, 1]. */
  toTensor(): Tensor {
    const { data, channels, height, width } = this;
    return {
      data: call((core) => core.pixelsToTensor(data, channels, height, width)),
      shape: [channels, height, width],
    };
  }

  #encode(path: string): Uint8Array {
    if (/\.png$/i.test(path)) return this.toPNG();
    if (/\.jpe?g$/i.test(path)) return this.toJPEG();
    throw invalidArgument("path", "a name that ends in .png, .jpg or .jpeg", path);
  }
}

/**
 * The pictures in a model's output: values in [−1, 1] become 0 to 255, half to even as in diffusers.
 *
 * @param tensor Shape [batch, channels, height, width], or [channels, height, width] for one picture.
 */
export function imagesFromTensor(tensor: Tensor): Image[] {
  checkTensor("tensor", tensor);
  const [channels, height, width] = tensor.shape.slice(-3);
  if (tensor.shape.length < 3 || tensor.shape.length > 4 || !channels || !height || !width) {
    throw invalidArgument(
      "tensor.shape",
      "[batch, channels, height, width] or [channels, height, width]",
      tensor.shape,
    );
  }
  const size = channels * height * width;
  return Array.from({ length: elementCount(tensor.shape) / size }, (_, index) => {
    const values = tensor.data.subarray(index * size, (index + 1) * size);
    return new Image(
      call((core) => core.tensorToPixels(values, channels, height, width)),
      width,
      height,
      channels,
    );
  });
}

export interface ImageGridOptions {
  /** Pictures in a row. Default 8, or as many as there are. */
  columns?: number;
  /** Pixels between the pictures and around them. Default 2. */
  padding?: number;
  /** The colour there: a grey level, or red, green and blue. Default 0, black. */
  background?: number | readonly [number, number, number];
}

/**
 * Lays pictures of one size out in rows, as torchvision's `make_grid` does.
 *
 * @example
 * await imageGrid(images, { columns: 4 }).save("grid.png");
 */
export function imageGrid(images: readonly Image[], options: ImageGridOptions = {}): Image {
  checkOptions("options", options, ["columns", "padding", "background"]);
  const { columns = 8, padding = 2, background = 0 } = options;
  const isList = Array.isArray(images) && images.every((image) => image instanceof Image);
  if (!isList) throw invalidArgument("images", "an array of images", images);
  const [first] = images;
  if (!first) throw invalidArgument("images", "at least one image", "none");
  const odd = images.find(({ width, height }) => width !== first.width || height !== first.height);
  if (odd)
    throw invalidArgument("images", `images of ${first.width}×${first.height} only`, `${odd.width}×${odd.height}`);

  const colour = typeof background === "number" ? [background, background, background] : background;
  const channels = typeof background === "number" && images.every((image) => image.channels === 1) ? 1 : 3;
  const across = Math.min(columns, images.length);
  const width = across * (first.width + padding) + padding;
  const height = Math.ceil(images.length / across) * (first.height + padding) + padding;
  const data = Uint8Array.from({ length: width * height * channels }, (_, i) => colour[i % channels] as number);
  images.forEach((image, index) => {
    const left = padding + (index % across) * (first.width + padding);
    const top = padding + Math.floor(index / across) * (first.height + padding);
    paste(image, data, { width, channels, left, top });
  });
  return new Image(data, width, height, channels);
}

interface Place {
  width: number;
  channels: number;
  left: number;
  top: number;
}

function paste(image: Image, target: Uint8Array, { width, channels, left, top }: Place): void {
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < image.width; x++) {
      for (let channel = 0; channel < channels; channel++) {
        const source = image.channels * (y * image.width + x) + (image.channels === 3 ? channel : 0);
        target[channels * ((top + y) * width + left + x) + channel] = image.data[source] as number;
      }
    }
  }
}
