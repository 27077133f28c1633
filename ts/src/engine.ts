/**
 * The injected core: one place for loading it, for the order of its calls and for its errors.
 *
 * An entry file (`node.ts`, `browser.ts`) hands a binding over with `useCore`; nothing below imports one.
 */
import type { Core } from "./core.js";
import { EmberwingError, type ErrorCode } from "./errors.js";

let loadCore: () => Core = () => {
  throw new EmberwingError("NotInitialized", "emberwing is not initialized: call `await init()` first");
};
let loaded: Core | undefined;
let pause: (() => Promise<void> | undefined) | undefined;
let settled: (() => void) | undefined;

/**
 * Says where the core comes from; it is loaded when the first call needs it.
 *
 * @param between Awaited before each asynchronous call: where those compute in place, so that others get a turn.
 * @param after Called after each asynchronous call.
 */
export function useCore(load: () => Core, between?: () => Promise<void> | undefined, after?: () => void): void {
  loadCore = load;
  loaded = undefined;
  pause = between;
  settled = after;
}

function core(): Core {
  loaded ??= loadCore();
  return loaded;
}

/** A synchronous call into the core: host arithmetic, image coding, construction of handles. */
export function call<T>(work: (core: Core) => T): T {
  const current = core();
  try {
    return work(current);
  } catch (error) {
    throw toEmberwingError(error);
  }
}

let lastCall: Promise<unknown> = Promise.resolve();

/**
 * An asynchronous call into the core. Each starts when the one before it has settled: napi may start concurrent
 * calls in any order, and a step must not overtake the gradients that it needs.
 */
export function enqueue<T>(work: (core: Core) => Promise<T> | T): Promise<T> {
  const result = lastCall.then(() => pause?.()).then(() => work(core()));
  lastCall = result.then(forget, forget);
  return result.catch((error: unknown) => {
    throw toEmberwingError(error);
  });
}

/** A failure is the caller's to handle, and a result must not stay in memory for the queue's sake. */
function forget(): void {
  settled?.();
}

/** The core prints an error as `[Code] message`; here, and only here, it becomes an `EmberwingError`. */
function toEmberwingError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof EmberwingError) return error;
  const match = /^\[([A-Z][A-Za-z]*)\] ([\s\S]*)$/.exec(error.message);
  if (match) return new EmberwingError(match[1] as ErrorCode, match[2] as string, { cause: error });
  return new EmberwingError("Internal", error.message, { cause: error });
}

/**
 * The devices that a model can live on: the CPU, then graphics cards, the best first.
 *
 * Wherever a device is asked for, short names do as well: `"gpu"` is the best graphics card, `"gpu:1"` the second, and
 * `"auto"` a graphics card if there is one made of hardware, else the CPU. Without a name it is the CPU, or what the
 * environment variable `EMBERWING_DEVICE` says.
 *
 * @example
 * console.log(devices()); // ["cpu", "gpu:0 (NVIDIA H100 80GB HBM3, Vulkan, 86 GB)"]
 */
export function devices(): string[] {
  return JSON.parse(call((core) => core.devices())) as string[];
}
