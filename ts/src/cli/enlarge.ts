/** Small pictures made large enough to look at. */
import { Image } from "../images.js";

/** Shorter sides are enlarged to about this. */
const COMFORTABLE_PIXELS = 128;

/** A whole number of times larger, every pixel a square: nothing is invented between them. */
export function enlarge(image: Image): Image {
  const factor = Math.max(1, Math.round(COMFORTABLE_PIXELS / Math.min(image.width, image.height)));
  const { channels } = image;
  const width = image.width * factor;
  const height = image.height * factor;
  const data = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const source = channels * (Math.floor(y / factor) * image.width + Math.floor(x / factor));
      data.set(image.data.subarray(source, source + channels), channels * (y * width + x));
    }
  }
  return new Image(data, width, height, channels);
}
