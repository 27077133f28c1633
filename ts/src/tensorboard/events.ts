/**
 * TensorBoard's event files: records of TensorFlow, each an `Event` message in protocol buffers' encoding.
 *
 * Formats: tensorflow/core/lib/io/record_writer.h and tensorboard/compat/proto/{event,summary}.proto.
 */
import type { Image } from "../images.js";
import { maskedCrc32c } from "./crc32c.js";

/** What an event says beside its time and step. */
export type EventContent =
  /** First in every file. */
  | { fileVersion: "brain.Event:2" }
  /** The run goes on from here: events of this step and later ones that earlier files hold do not count. */
  | { sessionStart: true }
  | { scalars: Readonly<Record<string, number>> }
  | { images: Readonly<Record<string, Image>> };

/** A whole record. `wallTime`: seconds since 1970. */
export function encodeEvent(wallTime: number, step: number, content: EventContent): Uint8Array {
  return record(concat([double(1, wallTime), varint(2, step), contentField(content)]));
}

function contentField(content: EventContent): Uint8Array {
  if ("fileVersion" in content) return bytes(3, text(content.fileVersion));
  if ("sessionStart" in content) return bytes(7, varint(1, 1));
  const values =
    "scalars" in content
      ? Object.entries(content.scalars).map(([tag, value]) => concat([bytes(1, text(tag)), float(2, value)]))
      : Object.entries(content.images).map(([tag, image]) => concat([bytes(1, text(tag)), bytes(4, picture(image))]));
  return bytes(5, concat(values.map((value) => bytes(1, value))));
}

function picture(image: Image): Uint8Array {
  return concat([varint(1, image.height), varint(2, image.width), varint(3, image.channels), bytes(4, image.toPNG())]);
}

/** Length, its checksum, data, their checksum. */
function record(data: Uint8Array): Uint8Array {
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(data.length), true);
  return concat([length, uint32(maskedCrc32c(length)), data, uint32(maskedCrc32c(data))]);
}

// Protocol buffers: each field is its number and wire type, then its value.
const VARINT = 0;
const FIXED_64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED_32 = 5;

const key = (field: number, wireType: number): Uint8Array => variableLength((field << 3) | wireType);

/** Whole numbers up to 2^53, seven bits a byte, the lowest first. */
function variableLength(value: number): Uint8Array {
  const groups: number[] = [];
  let rest = value;
  while (rest >= 128) {
    groups.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return Uint8Array.from([...groups, rest]);
}

/** Zero is what an absent field means. */
function varint(field: number, value: number): Uint8Array {
  return value === 0 ? new Uint8Array(0) : concat([key(field, VARINT), variableLength(value)]);
}

function double(field: number, value: number): Uint8Array {
  return concat([key(field, FIXED_64), new Uint8Array(Float64Array.of(value).buffer)]);
}

function float(field: number, value: number): Uint8Array {
  return concat([key(field, FIXED_32), new Uint8Array(Float32Array.of(value).buffer)]);
}

function bytes(field: number, content: Uint8Array): Uint8Array {
  return concat([key(field, LENGTH_DELIMITED), variableLength(content.length), content]);
}

function uint32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
