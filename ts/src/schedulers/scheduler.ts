/**
 * What all schedulers share. The algorithms are in the core; a subclass says which one, and types its options.
 *
 * A scheduler is host arithmetic: its methods are synchronous, and its tensors may have any shape that starts with
 * the batch.
 */
import type { Callback } from "../callback.js";
import type { SchedulerHandle } from "../core.js";
import { call } from "../engine.js";
import { EmberwingError, invalidArgument, tagOf } from "../errors.js";
import type { SetTimesteps } from "../generated/SetTimesteps.js";
import type { StepOptions as AlgorithmOptions } from "../generated/StepOptions.js";
import { checkBag, checkInstance, checkInteger, checkNumber, checkOptions, toJson } from "../options.js";
import type { HubOptions } from "../platform/hub.js";
import { openDestination, type SaveTarget } from "../pretrained/destination.js";
import { HUB_OPTIONS, openFolder, type PretrainedSource, readText, tellWarning } from "../pretrained/folder.js";
import { Generator } from "../random/generator.js";
import {
  checkSameShape,
  checkTensor,
  elementCount,
  type PerSample,
  perSampleValues,
  shapeOf,
  type Tensor,
} from "../tensor.js";

const CONFIG_FILE = "scheduler_config.json";

/** Options of one step; those of the core's `StepOptions` are the algorithm's own. */
export interface StepOptions extends AlgorithmOptions {
  /** Draws the noise that the step adds. */
  generator?: Generator;
  /** Used in place of drawn noise; shaped like the sample. */
  noise?: Tensor;
}

/** What `step` gives back; both tensors are shaped like the sample. */
export interface StepOutput {
  /** The sample one step nearer to the data, x_{t-1}. */
  prevSample: Tensor;
  /** The estimate of the clean sample x_0, from algorithms that make one. */
  predOriginalSample?: Tensor;
}

/** A scheduler class: what `fromConfig` and `fromPretrained` are called on. */
export interface SchedulerClass<S> {
  readonly className: string;
  new (config: object, handle: SchedulerHandle): S;
}

/** By the frozen `config`: `fromConfig(other.config)` finds what `other` was told, as diffusers' FrozenDict does. */
const ownerOfConfig = new WeakMap<object, Scheduler>();

export abstract class Scheduler<Config extends object = object> {
  /** The class's name in diffusers, in files and in `model_index.json`. */
  static readonly className: string;

  /** @internal */
  readonly handle: SchedulerHandle;
  /** All options with their values. Frozen: another configuration is another scheduler (`fromConfig`). */
  readonly config: Readonly<Config>;
  #timesteps: number[] | undefined;

  /**
   * @param config Any part of the options; the others take diffusers' defaults.
   * @param handle What the core made already, as in `fromPretrained`; then `config` is not looked at.
   */
  constructor(config: Partial<Config> = {}, handle?: SchedulerHandle) {
    const { className } = new.target;
    this.handle = handle ?? call((core) => new core.Scheduler(className, toJson(config)));
    this.config = Object.freeze(JSON.parse(call(() => this.handle.config())) as Config);
    ownerOfConfig.set(this.config, this);
  }

  /**
   * The same settings in another class: options that were never set take the new class's defaults.
   *
   * @example
   * const ddim = DDIMScheduler.fromConfig(ddpm.config, { timestepSpacing: "trailing" });
   */
  static fromConfig<S extends Scheduler>(
    this: SchedulerClass<S>,
    config: Scheduler | object,
    overrides: Partial<S["config"]> = {},
  ): S {
    checkBag("overrides", overrides);
    const source = config instanceof Scheduler ? config : ownerOfConfig.get(config);
    if (source === undefined) {
      const { className } = this;
      checkBag("config", config);
      const json = toJson({ ...config, ...overrides });
      return new this(
        {},
        call((core) => new core.Scheduler(className, json)),
      );
    }
    return new this(
      {},
      call(() => source.handle.convert(this.className, toJson(overrides))),
    );
  }

  /**
   * Reads `scheduler_config.json`, which may be another class's: its settings are taken over as by `fromConfig`.
   *
   * @param source A folder's path, `"hub:owner/name"`, or the files that were picked in a page.
   * @param options `onWarning` is told of options in the file that no scheduler has. Default: `console.warn`.
   */
  static async fromPretrained<S extends Scheduler>(
    this: SchedulerClass<S>,
    source: PretrainedSource,
    options: { subfolder?: string; onWarning?: Callback<string> } & HubOptions = {},
  ): Promise<S> {
    checkOptions("options", options, ["subfolder", "onWarning", ...HUB_OPTIONS]);
    const { subfolder, onWarning, ...hubOptions } = options;
    const root = openFolder(source, hubOptions);
    const folder = subfolder ? root.subfolder(subfolder) : root;
    const text = await readText(folder, CONFIG_FILE);
    const { className } = this;
    const handle = call((core) => core.Scheduler.fromPythonConfig(text, className));
    const warning = call((core) => core.schedulerWarning(text, className));
    await tellWarning(folder, warning, onWarning);
    return new this({}, handle);
  }

  /** Writes `scheduler_config.json` as diffusers does. */
  async savePretrained(target: SaveTarget): Promise<void> {
    const text = call(() => this.handle.pythonConfig());
    await openDestination(target).write(CONFIG_FILE, text);
  }

  /** The timesteps of the loop, from noise to data: all of training's until `setTimesteps` chooses some. */
  get timesteps(): number[] {
    this.#timesteps ??= Array.from(call(() => this.handle.timesteps()));
    return this.#timesteps;
  }

  /**
   * Chooses the timesteps of a denoising loop and starts it anew.
   *
   * @param steps Their number, or `{ timesteps }`, or `{ sigmas }`: a descending list of your own.
   * @param options Further options that the algorithm has.
   * @throws `InvalidArgument` where the run would not end with numbers, with what to set instead.
   */
  setTimesteps(steps: number | SetTimesteps, options: SetTimesteps = {}): void {
    checkBag("options", options);
    const chosen = tagOf(steps) === "Object" ? (steps as SetTimesteps) : { numInferenceSteps: steps };
    const json = toJson({ ...options, ...chosen });
    call(() => this.handle.setTimesteps(json));
    this.#timesteps = undefined;
  }

  /** How many timesteps one step of the run has: 2 where it is a prediction and its correction, as Heun's, else 1. */
  get order(): number {
    return call(() => this.handle.order());
  }

  /**
   * Starts the run at number `index` of `timesteps` in place of the first: for a loop that begins with a picture,
   * `addNoise(picture, noise, timesteps[index])`.
   *
   * A loop that begins at a timestep which the run has twice (rounding does that) must say so.
   *
   * @param index A multiple of `order`.
   * @throws `Unsupported` where a run cannot begin between its ends, as the inverse schedulers'.
   */
  setBeginIndex(index: number): void {
    checkInteger("index", index, 0);
    call(() => this.handle.setBeginIndex(index));
  }

  /** What standard normal noise is multiplied by to be the first sample of a loop. */
  get initNoiseSigma(): number {
    return call(() => this.handle.initNoiseSigma());
  }

  /** β_t of every training timestep. */
  get betas(): Float32Array {
    return call(() => this.handle.table("betas"));
  }

  /** ᾱ_t, the share of the data's variance that is left at timestep t. */
  get alphasCumprod(): Float32Array {
    return call(() => this.handle.table("alphasCumprod"));
  }

  /** The noise levels σ of the chosen timesteps; empty where the algorithm does not count in them. */
  get sigmas(): Float32Array {
    return call(() => this.handle.table("sigmas"));
  }

  /** The sample as the model wants to see it at timestep `t`; many algorithms leave it as it is. */
  scaleModelInput(sample: Tensor, t: number): Tensor {
    checkTensor("sample", sample);
    checkNumber("t", t);
    return { data: call(() => this.handle.scaleModelInput(sample.data, t)), shape: [...sample.shape] };
  }

  /**
   * One step of the denoising loop.
   *
   * @param modelOutput What the model said about `scaleModelInput(sample, t)`; with a learned variance it has twice
   *   the sample's channels.
   * @param t One of `timesteps`, in their order.
   * @throws `InvalidArgument` where the step needs noise and neither `generator` nor `noise` is given.
   */
  step(modelOutput: Tensor, t: number, sample: Tensor, options: StepOptions = {}): StepOutput {
    checkTensor("modelOutput", modelOutput);
    checkTensor("sample", sample);
    checkNumber("t", t);
    checkBag("options", options);
    const { generator, noise, ...own } = options;
    if (generator !== undefined) checkInstance("generator", generator, "a Generator", Generator);
    if (noise !== undefined) checkTensor("noise", noise);
    const json = toJson(own);
    const draws = call(() => this.handle.noiseDraws(t, json));
    const drawn = stepNoise(draws, sample, generator, noise);
    const output = call(() => this.handle.step(modelOutput.data, t, sample.data, shapeOf(sample), json, drawn));
    const predOriginalSample = output.predOriginalSample();
    return {
      prevSample: { data: output.prevSample(), shape: [...sample.shape] },
      ...(predOriginalSample.length > 0 && {
        predOriginalSample: { data: predOriginalSample, shape: [...sample.shape] },
      }),
    };
  }

  /**
   * The forward process: data with the noise that belongs to a timestep, √ᾱ_t·x + √(1−ᾱ_t)·ε in the classes that
   * count in ᾱ.
   *
   * @param timesteps One, or one for each sample of the batch.
   */
  addNoise(original: Tensor, noise: Tensor, timesteps: PerSample): Tensor {
    checkTensor("original", original);
    checkSameShape("noise", noise, "original", original.shape);
    const t = timestepsOf(original, timesteps);
    return { data: call(() => this.handle.addNoise(original.data, noise.data, t)), shape: [...original.shape] };
  }

  /** The target of `predictionType: "v_prediction"`: √ᾱ_t·ε − √(1−ᾱ_t)·x. */
  getVelocity(sample: Tensor, noise: Tensor, timesteps: PerSample): Tensor {
    checkTensor("sample", sample);
    checkSameShape("noise", noise, "sample", sample.shape);
    const t = timestepsOf(sample, timesteps);
    return { data: call(() => this.handle.getVelocity(sample.data, noise.data, t)), shape: [...sample.shape] };
  }
}

/** One timestep, or one for each sample; the core sees neither shape nor batch. */
function timestepsOf({ shape }: Tensor, timesteps: PerSample): Float64Array {
  const values = perSampleValues("timesteps", timesteps);
  if (values.length !== 1 && values.length !== shape[0]) {
    const expected = `one timestep, or one for each of ${shape[0]} samples`;
    throw new EmberwingError("ShapeMismatch", `timesteps: expected ${expected}, got ${values.length}`);
  }
  return Float64Array.from(values);
}

/** `draws` tensors of noise, one after the other, as the core takes them. */
function stepNoise(draws: number, sample: Tensor, generator?: Generator, noise?: Tensor): Float32Array {
  if (draws === 0) return new Float32Array(0);
  if (generator && noise) throw invalidArgument("generator, noise", "at most one of the two", "both");
  if (noise) {
    checkSameShape("noise", noise, "sample", draws === 1 ? sample.shape : [draws, ...sample.shape]);
    return noise.data;
  }
  if (!generator) {
    throw new EmberwingError("InvalidArgument", "generator: this step adds noise; pass { generator } or { noise }");
  }
  const size = elementCount(sample.shape);
  const all = new Float32Array(draws * size);
  // Drawn one by one: torch's numbers depend on where a draw ends.
  for (let draw = 0; draw < draws; draw++) all.set(generator.randn(sample.shape).data, draw * size);
  return all;
}
