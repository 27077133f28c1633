/** `metrics.jsonl` in parts: what was appended since, and the last line. */
import type { BigIntStats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { openContained } from "./contained-file.js";
import { RequestFailure } from "./failures.js";

export const METRICS_FILE = "metrics.jsonl";

/** Of one answer: long enough for thousands of steps, short enough that neither side is busy for long. */
const PART_BYTES = 1 << 20;
/** A line of the log has about 200 bytes. */
const LINE_BYTES = 4096;
const NEWLINE = 10;

export interface MetricsPart {
  /** Where it begins; 0 in place of what was asked for where the log is another one. */
  from: number;
  /** Where the next begins. */
  next: number;
  size: number;
  /** Names the file itself: a new run in the same folder writes a new one. */
  log: string;
  lines: Buffer;
}

/** Whole lines from a byte on. `log` is what an earlier part said, or empty. */
export async function readMetrics(folder: string, from: number, log: string): Promise<MetricsPart> {
  await using file = await openContained(folder, METRICS_FILE);
  const stats = await file.stat({ bigint: true });
  const [size, current] = [Number(stats.size), identity(stats)];
  const start = log === current && (await isLineStart(file, from, size)) ? from : 0;
  const bytes = await readBytes(file, start, Math.min(PART_BYTES, size - start));
  const length = bytes.lastIndexOf(NEWLINE) + 1;
  if (length === 0 && bytes.length === PART_BYTES) {
    throw new RequestFailure(422, `${METRICS_FILE}: a line longer than ${PART_BYTES} bytes; it is no log of emberwing`);
  }
  return { from: start, next: start + length, size, log: current, lines: bytes.subarray(0, length) };
}

/** The last whole line; `undefined` where there is none. */
export async function lastLine(folder: string): Promise<string | undefined> {
  await using file = await openContained(folder, METRICS_FILE);
  const { size } = await file.stat();
  const start = Math.max(0, size - LINE_BYTES);
  const bytes = await readBytes(file, start, size - start);
  const text = bytes.subarray(0, bytes.lastIndexOf(NEWLINE) + 1).toString();
  return text.trimEnd().split("\n").pop() || undefined;
}

/** Also a log that was cut and written anew in place is seen, nearly always, by what stands before. */
async function isLineStart(file: FileHandle, at: number, size: number): Promise<boolean> {
  if (at > size) return false;
  return at === 0 || (await readBytes(file, at - 1, 1))[0] === NEWLINE;
}

async function readBytes(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

const identity = ({ dev, ino, birthtimeNs }: BigIntStats): string => [dev, ino, birthtimeNs].join("-");
