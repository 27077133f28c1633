/**
 * What both bindings (the Node addon and the WebAssembly module) export: the contract of `crates/core/src/bindings`.
 *
 * Configurations and options cross as JSON text with camelCase keys, bulk data as typed arrays, long-lived things as
 * handles with `dispose()`. Errors arrive as `Error("[Code] message")`; `engine.ts` turns them into `EmberwingError`.
 * Calls that return a promise run on the one worker thread of the core (Node) or in place (WebAssembly).
 */

/** torch's CPU generator. Draws are synchronous: it is host arithmetic. */
export interface GeneratorHandle {
  readonly seed: number;
  randn(count: number): Float32Array;
  rand(count: number): Float32Array;
  randint(low: number, high: number, count: number): Int32Array;
  randperm(n: number): Int32Array;
  /** The whole state (mt19937 words, position, cached normal), for checkpoints. */
  getState(): Uint8Array;
  setState(state: Uint8Array): void;
  /** A model with torch's default initialisation, drawn in torch's order. `device`: as `devices()` says, or empty. */
  createUNet2DModel(config: string, device: string, dtype: string): Promise<UNet2DModelHandle>;
}

/** What holds memory of the core for long. */
export interface ResourceHandle {
  /** Bytes that it holds now. */
  memory(): number;
  dispose(): void;
}

/** The result of one scheduler step. */
export interface StepOutputHandle {
  prevSample(): Float32Array;
  /** Empty where the scheduler has no such estimate. */
  predOriginalSample(): Float32Array;
}

/** Any scheduler: which algorithm it is was said at construction. Host arithmetic, synchronous. */
export interface SchedulerHandle {
  className(): string;
  /** All options with their values: JSON, camelCase. */
  config(): string;
  /** The text of diffusers' `scheduler_config.json`. */
  pythonConfig(): string;
  /** `{"numInferenceSteps":50}` or `{"timesteps":[…]}`, plus the scheduler's own options. */
  setTimesteps(options: string): void;
  timesteps(): Float64Array;
  initNoiseSigma(): number;
  /** How many timesteps one step of the run has. */
  order(): number;
  /** At which of its timesteps a run starts that is to change a picture by `strength`. */
  beginIndex(numInferenceSteps: number, strength: number): number;
  setBeginIndex(index: number): void;
  /** Inpainting: a picture, and as many values that say where it is known (1) and not (0). */
  setKnownPart(image: Float32Array, mask: Float32Array): void;
  /** Whether the step at this timestep looks at the model's output. */
  usesModelOutput(timestep: number): boolean;
  scaleModelInput(sample: Float32Array, timestep: number): Float32Array;
  /** How many noise tensors of the sample's shape `step` will ask for at this timestep. */
  noiseDraws(timestep: number, options: string): number;
  /** `shape` is the sample's; `noise` holds `noiseDraws` tensors one after the other. */
  step(
    modelOutput: Float32Array,
    timestep: number,
    sample: Float32Array,
    shape: Uint32Array,
    options: string,
    noise: Float32Array,
  ): StepOutputHandle;
  /** One timestep, or one for each sample of the batch. */
  addNoise(original: Float32Array, noise: Float32Array, timesteps: Float64Array): Float32Array;
  getVelocity(sample: Float32Array, noise: Float32Array, timesteps: Float64Array): Float32Array;
  /** "betas", "alphasCumprod" or "sigmas"; empty where the scheduler has none. */
  table(name: string): Float32Array;
  /** `from_config` of diffusers: the same settings for another class, with overrides (JSON, camelCase). */
  convert(className: string, overrides: string): SchedulerHandle;
}

/** Weight files of one model folder, added one by one, then given to a model. */
export interface WeightsHandle {
  /** A safetensors or torch `.bin` file; the content decides, the name stands in messages. */
  add(fileName: string, bytes: Uint8Array): Promise<void>;
  /** From now on only the tensors of the model that the text of a `config.json` describes are read. */
  wantUNet2DModel(pythonConfig: string, device: string): Promise<void>;
  /** `add` in parts: resolves to the bytes to `feed` next, `[start,end]`, or to `[]` when the file is read. */
  open(fileName: string, size: number): Promise<string>;
  feed(bytes: Uint8Array): Promise<string>;
  /** A model from the text of its `config.json` and these weights, which leave the collection. */
  createUNet2DModel(pythonConfig: string, device: string, dtype: string): Promise<UNet2DModelHandle>;
  dispose(): void;
}

/** A prediction that remembers how it was made. */
export interface PredictionHandle extends ResourceHandle {
  data(): Float32Array;
  /** Adds to the model's gradients; returns the gradient with respect to the sample. Once only. */
  backward(gradient: Float32Array): Promise<Float32Array>;
}

export interface UNet2DModelHandle extends ResourceHandle {
  config(): string;
  pythonConfig(): string;
  /** What its files held beside it, to be told to the user; empty for nothing. */
  warning(): string;
  countParameters(): number;
  /** The device that it lives on, as in `devices()`. */
  device(): string;
  /** The number format of its activations. */
  dtype(): string;
  /** Throws `[OutOfMemory]` where a batch of this shape is sure not to fit. */
  expectRoom(shape: Uint32Array): void;
  /** NCHW in and out. `timesteps`: one, or one a sample. `classLabels`: empty, or as `classEmbedType` says. */
  forward(
    sample: Float32Array,
    shape: Uint32Array,
    timesteps: Float32Array,
    classLabels: Float32Array,
  ): Promise<Float32Array>;
  forwardTracked(
    sample: Float32Array,
    shape: Uint32Array,
    timesteps: Float32Array,
    classLabels: Float32Array,
  ): Promise<PredictionHandle>;
  /** Forward, mean squared error (times `weights`, one a sample, where not empty), backward. Resolves to the loss. */
  backward(
    sample: Float32Array,
    shape: Uint32Array,
    timesteps: Float32Array,
    target: Float32Array,
    weights: Float32Array,
    classLabels: Float32Array,
  ): Promise<number>;
  /** JSON: `[{"name":"conv_in.weight","shape":[64,3,3,3]},…]` in torch's parameter order and layout. */
  parameterList(): string;
  parameter(name: string): Promise<Float32Array>;
  /** Zeros where nothing was accumulated. */
  gradient(name: string): Promise<Float32Array>;
  zeroGrad(): Promise<void>;
  /** Shortens all gradients together to a length; resolves to the length before. */
  clipGradNorm(maxNorm: number): Promise<number>;
  /** Recomputes activations in `backward` instead of keeping them. */
  setGradientCheckpointing(on: boolean): Promise<void>;
  createEMAModel(options: string): Promise<EMAModelHandle>;
  /** The content of `diffusion_pytorch_model.safetensors`. `dtype`: a `FloatType`. */
  safetensors(dtype: string): Promise<Uint8Array>;
}

/** An exponential moving average of a model's weights. */
export interface EMAModelHandle extends ResourceHandle {
  /** Takes the model's weights in; resolves to the decay. */
  step(): Promise<number>;
  /** A model with the averaged weights as they are now. */
  model(): Promise<UNet2DModelHandle>;
}

/** The learning rate over a run. Host arithmetic. */
export interface LrScheduleHandle {
  /** After so many optimizer steps: 0 for the first. */
  learningRate(steps: number): number;
}

export interface AdamWHandle extends ResourceHandle {
  /** Moments and number of steps: safetensors. */
  stateDict(): Promise<Uint8Array>;
  /** Goes on from a state, which is used up. */
  loadStateDict(state: WeightsHandle): Promise<void>;
  /** Of the steps from now on. */
  setLearningRate(rate: number): Promise<void>;
  step(): Promise<void>;
  zeroGrad(): Promise<void>;
}

/** Images in memory, resized, or on disk; cropped, flipped and normalised when a batch is drawn. */
export interface DatasetHandle extends ResourceHandle {
  /** Decodes PNG, JPEG, WebP, GIF or BMP. Rejects with `[InvalidImage]`. */
  addImage(name: string, bytes: Uint8Array): Promise<void>;
  /** Image files inside a folder (JSON: their names), read whenever they are drawn. */
  addFiles(folder: string, names: string, strict: boolean): Promise<void>;
  /** The file that `addParts` speaks of; opened at once, so that its name may go. */
  openParts(file: string): Promise<void>;
  /** Images in that file (JSON: [name, offset, length] each), likewise. */
  addParts(parts: string, strict: boolean): Promise<void>;
  /** An image that was passed over because it cannot be read or does not decode; each is told once. */
  takeProblem(): Promise<string | null | undefined>;
  /** NCHW values used as they are. */
  addPixels(values: Float32Array, shape: Uint32Array): Promise<void>;
  /** The built-in set: pictures `first` to `first + count - 1` of the seed. */
  addButterflies(first: number, count: number, seed: number): Promise<void>;
  /** The class of every item, once all are there. */
  setClassLabels(labels: Uint32Array): Promise<void>;
  length(): Promise<number>;
  /** Channels, height and width of every item. */
  shape(): Promise<Uint32Array>;
  /** Image `index` without random choices (centre crop, no flip): CHW in [-1, 1]. */
  item(index: number): Promise<Float32Array>;
}

export interface BatchHandle {
  /** NCHW in [-1, 1]. */
  data(): Float32Array;
  /** One an item; empty where the data set has none. */
  classLabels(): Float32Array;
}

export interface DataLoaderHandle {
  /** The next batch; an empty one at the end of an epoch, after which the next one starts. */
  next(): Promise<BatchHandle>;
  dispose(): void;
}

export interface TrainerHandle extends ResourceHandle {
  /** One optimizer step, or the end of an epoch or of the run: a JSON event with a `type`. */
  next(): Promise<string>;
  /** The text of a checkpoint's `trainer_state.json`: progress, data position, generators, options. */
  state(): Promise<string>;
  /** The content of a checkpoint's `optimizer.safetensors`. */
  optimizerState(): Promise<Uint8Array>;
  /** The text of a checkpoint's `unet_ema/config.json`. Rejects without `useEma`. */
  emaConfig(): Promise<string>;
  /** A model with the averaged weights as they are now. Rejects without `useEma`. */
  emaModel(): Promise<UNet2DModelHandle>;
  /**
   * Goes on where the run of a checkpoint stood. The weights are used up; those of `ema` count where `emaConfig` is not
   * empty. A checkpoint that is refused changes nothing.
   */
  restore(
    state: string,
    unet: WeightsHandle,
    emaConfig: string,
    ema: WeightsHandle,
    optimizer: WeightsHandle,
  ): Promise<void>;
}

/** The denoising loop inside the core. */
export interface DenoisingHandle extends ResourceHandle {
  /** One step; resolves to the number of steps left. */
  step(): Promise<number>;
  /** The current sample, NCHW, as the scheduler left it. */
  sample(): Promise<Float32Array>;
}

export interface DecodedImageHandle {
  width(): number;
  height(): number;
  /** 1 or 3. */
  channels(): number;
  data(): Uint8Array;
}

/** What every binding exports. */
export interface Core {
  /** JSON list of device names, the CPU first. The first call asks the drivers of graphics cards. */
  devices(): string;
  /** The name in `devices()` of the device that a name such as "gpu" or "auto" chooses; opens nothing. */
  deviceName(name: string): string;

  Generator: new (seed: number) => GeneratorHandle;
  Scheduler: {
    /** `config`: JSON, camelCase, any part of the options. */
    new (className: string, config: string): SchedulerHandle;
    /** From the text of a `scheduler_config.json`; an empty class name takes the one in the file. */
    fromPythonConfig(text: string, className: string): SchedulerHandle;
  };

  /** Tells the garbage collector of bytes that it does not see; in Node. */
  announceMemory?(bytes: number): void;

  /** The diffusers version whose files are written. */
  diffusersVersion(): string;
  Weights: new () => WeightsHandle;
  /** The shard files that an index names, as JSON list; refuses paths that leave the folder. */
  shardFiles(indexName: string, text: string): string;
  /** Python's JSON (NaN and Infinity allowed) to standard JSON with the same keys; for model_index.json. */
  parsePythonJson(fileName: string, text: string): string;
  /** Standard JSON to text as Python writes it: indent 2, sorted keys, trailing newline. */
  formatPythonJson(json: string): string;

  /** The options of a model (JSON, camelCase) from the text of its `config.json`. */
  modelConfig(fileName: string, text: string): string;

  /** What to tell of options in a file that a model, or any scheduler, does not have; empty for nothing. */
  modelConfigWarning(fileName: string, text: string): string;
  schedulerWarning(text: string, className: string): string;

  AdamW: new (model: UNet2DModelHandle, options: string) => AdamWHandle;
  LrSchedule: new (options: string, learningRate: number) => LrScheduleHandle;

  Dataset: new (options: string) => DatasetHandle;
  DataLoader: new (dataset: DatasetHandle, generator: GeneratorHandle, options: string) => DataLoaderHandle;
  Trainer: new (
    model: UNet2DModelHandle,
    scheduler: SchedulerHandle,
    dataset: DatasetHandle,
    generator: GeneratorHandle,
    options: string,
  ) => TrainerHandle;
  Denoising: {
    new (
      model: UNet2DModelHandle,
      scheduler: SchedulerHandle,
      generator: GeneratorHandle,
      options: string,
      noise: Float32Array,
      shape: Uint32Array,
      classLabels: Float32Array,
    ): DenoisingHandle;
    /** From a picture with noise, at number `beginIndex` of the timesteps. */
    fromImage(
      model: UNet2DModelHandle,
      scheduler: SchedulerHandle,
      generator: GeneratorHandle,
      options: string,
      noise: Float32Array,
      shape: Uint32Array,
      classLabels: Float32Array,
      image: Float32Array,
      beginIndex: number,
    ): DenoisingHandle;
  };

  decodeImage(name: string, bytes: Uint8Array): DecodedImageHandle;
  encodePng(data: Uint8Array, width: number, height: number, channels: number): Uint8Array;
  encodeJpeg(data: Uint8Array, width: number, height: number, channels: number, quality: number): Uint8Array;
  /** Model values in [-1, 1], CHW, to bytes HWC as diffusers does: clamp(x/2 + 0.5)·255, half to even. */
  tensorToPixels(values: Float32Array, channels: number, height: number, width: number): Uint8Array;
  /** Model values NCHW to NHWC in [0, 1]: clamp(x/2 + 0.5), diffusers' `output_type="np"`. */
  toUnitImages(values: Float32Array, shape: Uint32Array): Float32Array;
  /** Bytes HWC of a mask to one plane: 1 from the middle grey upwards, else 0. */
  pixelsToMask(data: Uint8Array, channels: number, height: number, width: number): Float32Array;
  /** Bytes HWC to CHW in [-1, 1]. */
  pixelsToTensor(data: Uint8Array, channels: number, height: number, width: number): Float32Array;
}
