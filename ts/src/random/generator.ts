/** torch's CPU generator. */
import type { GeneratorHandle } from "../core.js";
import { call } from "../engine.js";
import { EmberwingError, invalidArgument } from "../errors.js";
import { checkInstance, checkInteger } from "../options.js";
import { checkShape, elementCount, IntTensor, type Tensor, takeBytes } from "../tensor.js";

/**
 * Random numbers as `torch.Generator("cpu").manual_seed(seed)` draws them: the same integers, and the same floats
 * to 1e-6. Every random choice in emberwing comes from one of these.
 *
 * @example
 * const generator = new Generator(0);
 * const noise = generator.randn([8, 3, 32, 32]); // starts with -1.1258, -1.1524, -0.2506
 */
export class Generator {
  /** @internal */
  readonly handle: GeneratorHandle;

  /** @param seed An integer from 0 to 2^53 − 1. */
  constructor(seed: number) {
    if (!(Number.isSafeInteger(seed) && seed >= 0)) {
      throw invalidArgument("seed", `an integer from 0 to ${Number.MAX_SAFE_INTEGER} (2^53 − 1)`, seed);
    }
    this.handle = call((core) => new core.Generator(seed));
  }

  /** The seed that it was made with. */
  get seed(): number {
    return this.handle.seed;
  }

  /** Standard normal numbers. */
  randn(shape: readonly number[]): Tensor {
    return this.#fill(shape, (count) => this.handle.randn(count));
  }

  /** Uniform numbers in [0, 1). */
  rand(shape: readonly number[]): Tensor {
    return this.#fill(shape, (count) => this.handle.rand(count));
  }

  /** Uniform integers from `low` to `high - 1`. */
  randint(low: number, high: number, shape: readonly number[]): IntTensor {
    checkShape("shape", shape);
    checkInteger("low", low, Number.MIN_SAFE_INTEGER);
    checkInteger("high", high, Number.MIN_SAFE_INTEGER);
    if (!(low < high)) throw invalidArgument("high", `an integer above low, which is ${low}`, high);
    return new IntTensor(
      call(() => this.handle.randint(low, high, elementCount(shape))),
      [...shape],
    );
  }

  /** The numbers 0 to n − 1 in random order. */
  randperm(n: number): IntTensor {
    checkInteger("n", n, 1);
    return new IntTensor(
      call(() => this.handle.randperm(n)),
      [n],
    );
  }

  /** Where the sequence stands, for checkpoints; `setState` goes on from there. */
  getState(): Uint8Array {
    return call(() => this.handle.getState());
  }

  setState(state: Uint8Array): void {
    const bytes = takeBytes("state", state);
    call(() => this.handle.setState(bytes));
  }

  #fill(shape: readonly number[], draw: (count: number) => Float32Array): Tensor {
    checkShape("shape", shape);
    return { data: call(() => draw(elementCount(shape))), shape: [...shape] };
  }
}

/** Where the random numbers of a run come from. */
export interface RandomOptions {
  /** A new generator with this seed. */
  seed?: number;
  /** A generator to go on with. At most one of the two; with neither, every run differs. */
  generator?: Generator;
}

/** The generator that `options` ask for. */
export function resolveGenerator({ seed, generator }: RandomOptions): Generator {
  if (seed !== undefined && generator !== undefined) {
    throw new EmberwingError("InvalidArgument", "seed, generator: expected at most one of the two, got both");
  }
  if (generator !== undefined) checkInstance("generator", generator, "a Generator", Generator);
  return generator ?? new Generator(seed === undefined ? Math.floor(Math.random() * 2 ** 32) : seed);
}
