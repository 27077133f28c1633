/** Damage to files: what cuts on the way, bad disks and people who mean harm do to them. */
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";

/** The files of `corpus/<target>`. */
export function corpus(target: string): Uint8Array[] {
  const folder = new URL(`./corpus/${target}/`, import.meta.url);
  return readdirSync(folder)
    .sort()
    .map((name) => new Uint8Array(readFileSync(new URL(name, folder))));
}

/** Numbers at which readers break: lengths that are nothing, too large for 31, 32 or 53 bits, or below zero. */
const LENGTHS = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];

/** One piece of damage; places are shares of the whole, so that they fit files of any length. */
type Damage = (bytes: Uint8Array, other: Uint8Array) => Uint8Array;

const place = fc.nat(0xffff);
const at = (bytes: Uint8Array, share: number): number => Math.floor((share / 0x10000) * bytes.length);
const changed = (bytes: Uint8Array, change: (copy: Uint8Array, view: DataView) => void): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  change(copy, new DataView(copy.buffer));
  return copy;
};

const damages: fc.Arbitrary<Damage> = fc.oneof(
  // A bit.
  fc.tuple(place, fc.nat(7)).map(
    ([where, bit]): Damage =>
      (bytes) =>
        changed(bytes, (copy) => {
          if (copy.length > 0) copy[at(copy, where)] = (copy[at(copy, where)] as number) ^ (1 << bit);
        }),
  ),
  // A byte.
  fc.tuple(place, fc.nat(255)).map(
    ([where, byte]): Damage =>
      (bytes) =>
        changed(bytes, (copy) => {
          if (copy.length > 0) copy[at(copy, where)] = byte;
        }),
  ),
  // A run of bytes.
  fc.tuple(place, fc.uint8Array({ minLength: 1, maxLength: 16 })).map(
    ([where, run]): Damage =>
      (bytes) =>
        changed(bytes, (copy) => copy.set(run.subarray(0, copy.length - at(copy, where)), at(copy, where))),
  ),
  // A field with a length, in either order of bytes.
  fc.tuple(place, fc.constantFrom(...LENGTHS), fc.constantFrom(2, 4, 8), fc.boolean()).map(
    ([where, value, size, isLittle]): Damage =>
      (bytes) =>
        changed(bytes, (copy, view) => {
          const start = Math.min(at(copy, where), copy.length - size);
          if (start < 0) return;
          if (size === 2) view.setUint16(start, value & 0xffff, isLittle);
          else if (size === 4) view.setUint32(start, value, isLittle);
          else view.setBigUint64(start, BigInt(value) << (value % 2 === 0 ? 0n : 21n), isLittle);
        }),
  ),
  // A number of variable length, as Thrift and Protocol Buffers have them.
  fc.tuple(place, fc.constantFrom(...LENGTHS)).map(
    ([where, value]): Damage =>
      (bytes) =>
        spliced(bytes, at(bytes, where), 1, varint(value)),
  ),
  // Left out, put in, put in again.
  fc.tuple(place, fc.nat(64)).map(
    ([where, length]): Damage =>
      (bytes) =>
        spliced(bytes, at(bytes, where), length, []),
  ),
  fc.tuple(place, fc.uint8Array({ maxLength: 32 })).map(
    ([where, run]): Damage =>
      (bytes) =>
        spliced(bytes, at(bytes, where), 0, run),
  ),
  fc.tuple(place, place, fc.nat(256)).map(
    ([from, to, length]): Damage =>
      (bytes) =>
        spliced(bytes, at(bytes, to), 0, bytes.subarray(at(bytes, from), at(bytes, from) + length)),
  ),
  // Cut off.
  place.map(
    (where): Damage =>
      (bytes) =>
        bytes.slice(0, at(bytes, where)),
  ),
  // The head of one file, the rest of another.
  fc.tuple(place, place).map(
    ([where, from]): Damage =>
      (bytes, other) =>
        spliced(bytes, at(bytes, where), bytes.length, other.subarray(at(other, from))),
  ),
);

function spliced(bytes: Uint8Array, start: number, removed: number, added: ArrayLike<number>): Uint8Array {
  const end = Math.min(start + removed, bytes.length);
  const result = new Uint8Array(start + added.length + bytes.length - end);
  result.set(bytes.subarray(0, start));
  result.set(added, start);
  result.set(bytes.subarray(end), start + added.length);
  return result;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

/** Files of a list with one to four pieces of damage; now and then one that is whole. */
export function damaged(files: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const file = fc.constantFrom(...files);
  return fc
    .tuple(file, file, fc.array(damages, { maxLength: 4 }))
    .map(([bytes, other, list]) => list.reduce((result, damage) => damage(result, other), bytes));
}

/** Text of a file, damaged as text or as bytes. */
export function damagedText(texts: readonly string[]): fc.Arbitrary<string> {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  return damaged(texts.map((text) => encoder.encode(text))).map((bytes) => decoder.decode(bytes));
}
