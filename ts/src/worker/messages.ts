/** What a page and its worker send each other. The page asks, the worker answers; every question has a number. */

import { Image } from "../images.js";
import { IntTensor } from "../tensor.js";
import type { DirectoryPlace } from "./directory-place.js";

/** The worker's object 0 is the API itself. */
export const API = 0;

/** The name under which an object's `Symbol.asyncIterator` is called. */
export const ASYNC_ITERATOR = "@@asyncIterator";

/** A wasm module: its address, or itself. */
type Sent = string | WebAssembly.Module;

/** To the worker. `path` leads from an object to one of its members. */
export type Request =
  | {
      type: "start";
      id: number;
      wasm?: Sent;
      threads?: number;
      threadsWasm?: Sent;
      gpu?: boolean;
      gpuWasm?: Sent;
      directory?: DirectoryPlace;
      hubEndpoint?: string;
    }
  | { type: "get"; id: number; object: number; path: readonly string[] }
  | { type: "call"; id: number; object: number; path: readonly string[]; args: unknown[] }
  | { type: "construct"; id: number; object: number; path: readonly string[]; args: unknown[] }
  /** A callback has returned, or has thrown; the page keeps the error. */
  | { type: "told"; call: number; failed: boolean }
  /** Nothing is answered to these two. */
  | { type: "abort"; signal: number }
  | { type: "release"; object: number };

/** A failure: an `EmberwingError` has a code. */
export interface Failure {
  name: string;
  message: string;
  code?: string;
  /** The module stopped in the middle of a calculation; nothing in the worker can be relied on. */
  crashed: boolean;
  /** It is what a callback of the page threw in this call of it. */
  told?: number;
}

/** From the worker. */
export type Answer =
  | { type: "result"; id: number; value: unknown; filled: [map: number, content: Map<unknown, unknown>][] }
  | { type: "failure"; id: number; failure: Failure }
  /** The worker waits for the page to say that it was `told`. */
  | { type: "callback"; callback: number; call: number; args: unknown[] };

/** In place of a value that cannot be sent as it is. */
export type StandIn =
  | { [STAND_IN]: "object"; object: number }
  | { [STAND_IN]: "iterator"; object: number }
  | { [STAND_IN]: "image"; data: Uint8Array; width: number; height: number; channels: number }
  | { [STAND_IN]: "integers"; data: Int32Array; shape: number[] }
  | { [STAND_IN]: "url"; href: string }
  | { [STAND_IN]: "callback"; callback: number }
  | { [STAND_IN]: "signal"; signal: number; aborted: boolean }
  | { [STAND_IN]: "map"; map: number };

export const STAND_IN = "emberwing:stand-in";

/** A copy of a value in which `replace` put something else for what it knows; other objects are walked through. */
export function mapValues(value: unknown, replace: (value: object) => unknown): unknown {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return value;
  const replaced = replace(value);
  if (replaced !== undefined) return replaced;
  if (Array.isArray(value)) return value.map((item) => mapValues(item, replace));
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapValues(item, replace)]));
}

/** Made by `{}`, and not by a class. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

export function standIn(value: object): StandIn | undefined {
  return STAND_IN in value ? (value as StandIn) : undefined;
}

/** Our values that can be made again on the other side, in a form that can be sent. */
export function packValue(value: object): StandIn | undefined {
  if (value instanceof Image) {
    const { data, width, height, channels } = value;
    return { [STAND_IN]: "image", data, width, height, channels };
  }
  if (value instanceof IntTensor) return { [STAND_IN]: "integers", data: value.data, shape: value.shape };
  return value instanceof URL ? { [STAND_IN]: "url", href: value.href } : undefined;
}

/** The value again; undefined for what only one side knows, such as objects. */
export function unpackValue(known: StandIn): object | undefined {
  switch (known[STAND_IN]) {
    case "image":
      return new Image(known.data, known.width, known.height, known.channels);
    case "integers":
      return new IntTensor(known.data, known.shape);
    case "url":
      return new URL(known.href);
    default:
      return undefined;
  }
}
