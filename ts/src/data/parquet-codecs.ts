/** Decompression of Parquet's pages into as many bytes as their heads say, and no more. */
import type { Compressors } from "hyparquet";
import { compressors, decompressLz4Raw, decompressZstd } from "hyparquet-compressors";

const HADOOP_HEAD = 8;

export const codecs: Compressors = {
  ...compressors,
  // Otherwise it would make as much room as the frame itself says.
  ZSTD: (input, length) => decompressZstd(input, new Uint8Array(length)),
  LZ4: (input, length) => {
    const unpack = hasHadoopFrames(input, length) ? compressors.LZ4 : decompressLz4Raw;
    return (unpack as typeof decompressLz4Raw)(input, length);
  },
};

/** Frames as Hadoop writes them; in others, hyparquet-compressors takes lengths below zero, and goes back without end. */
function hasHadoopFrames(input: Uint8Array, length: number): boolean {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  let at = 0;
  while (at + HADOOP_HEAD <= input.length) {
    if (view.getUint32(at) > length) return false;
    at += HADOOP_HEAD + view.getUint32(at + 4);
  }
  return at === input.length;
}
