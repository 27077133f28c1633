/** Every option of the API refuses every wrong kind of value by its name, with what it takes and what came. */
import * as api from "emberwing";
import { beforeAll, describe, expect, test } from "vitest";
import { readFixture } from "./fixture-files.js";
import KINDS from "./option-kinds.json" with { type: "json" };

type Bag = Record<string, unknown>;
type Call = (options: Bag) => unknown;

/** Of what JSON says, and of what it does not. */
const NOT_NUMBERS = [
  "5",
  "",
  null,
  true,
  [],
  [5],
  {},
  Object.create(null),
  new Number(5),
  () => 5,
  Symbol("5"),
  5n,
  Number.NaN,
];
const NOT_BOOLEANS = ["true", 0, 1, null, [], {}, Object.create(null), new Boolean(true), () => true];
const NOT_STRINGS = [5, null, true, ["a"], {}, Object.create(null), new String("a"), () => "a"];
const NOT_ARRAYS = ["8", 5, null, true, {}, Object.create(null), () => [], [null], ["5"], [Number.NaN], [undefined]];
const NOT_OBJECTS = ["a", 5, null, true, [], {}, () => undefined];

/** The values that are none of a type, as the table has it; undefined where its kind is tried elsewhere. */
function wrongValues(type: string): unknown[] | undefined {
  const nullable = / \| null$/.test(type);
  const plain = type.replace(/ \| null$/, "");
  // The one value that an option takes which other classes have.
  if (type === "null") return [true, "5", 5, () => undefined];
  const wrong = wrongKinds(plain);
  return nullable ? wrong?.filter((value) => value !== null) : wrong;
}

function wrongKinds(type: string): unknown[] | undefined {
  if (type === "number" || type === "1 | 3") return NOT_NUMBERS;
  if (type === "boolean") return NOT_BOOLEANS;
  if (type === "string") return NOT_STRINGS;
  if (/^"/.test(type)) return [...NOT_STRINGS, "Wrong!", type.split('"')[1]?.toUpperCase().concat("!"), ""];
  if (/^number \| (readonly )?\[/.test(type))
    return NOT_NUMBERS.filter((value) => !Array.isArray(value)).concat([[]], [["5"]]);
  if (/^(readonly number\[\]|\[number, number\]|Array<)/.test(type)) return NOT_ARRAYS;
  if (/^Callback</.test(type)) return NOT_OBJECTS.filter((value) => typeof value !== "function");
  if (/^(AbortSignal|Generator|Tensor|UNet2DModel|Scheduler|Dataset|Image|ModelCardOptions)$/.test(type)) {
    return NOT_OBJECTS.filter((value) => type !== "ModelCardOptions" || JSON.stringify(value) !== "{}");
  }
  return undefined;
}

/** What a message may show of a value. */
function shown(value: unknown): RegExp {
  if (typeof value === "function") return /a function/;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return /an object/;
  if (Array.isArray(value)) return /\[|an array|"5"|null|NaN|undefined/;
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return new RegExp(text.replace(/[()]/g, "\\$&"));
}

/** What nobody who writes TypeScript has written. */
const FOREIGN_WORDS =
  /\bline \d|\bcolumn \d|\b(usize|[iuf](8|16|32|64)|struct|enum|variant|untagged|tuple|null pointer)\b/;

async function refusal(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return "accepted";
  } catch (error) {
    return error;
  }
}

async function expectRefused(call: () => unknown, name: string, value: unknown): Promise<void> {
  const error = (await refusal(call)) as Error;
  const what = `${name}: ${String(Object.prototype.toString.call(value))} ${shown(value)}`;
  expect(error, what).toMatchObject({ name: "EmberwingError" });
  expect(error.message, what).toContain(name);
  expect(error.message, what).toContain("expected");
  expect(error.message, what).toMatch(shown(value));
  expect(error.message.replaceAll(name, ""), what).not.toMatch(FOREIGN_WORDS);
  expect(error.message.length, error.message).toBeLessThan(1000);
}

let unet: api.UNet2DModel;
let dataset: api.Dataset;
let pipeline: api.DDPMPipeline;
const scheduler = new api.DDPMScheduler({ numTrainTimesteps: 20 });
const MODEL = {
  sampleSize: 8,
  layersPerBlock: 1,
  blockOutChannels: [8, 8],
  normNumGroups: 4,
  downBlockTypes: ["DownBlock2D", "DownBlock2D"],
  upBlockTypes: ["UpBlock2D", "UpBlock2D"],
} as const;
const picture = new api.Image(new Uint8Array(192), 8, 8, 3);
const tensor = { data: new Float32Array(192), shape: [1, 3, 8, 8] };
beforeAll(async () => {
  unet = await api.UNet2DModel.create(MODEL as never);
  dataset = await api.loadDataset("butterflies", { resolution: 8, size: 2 });
  pipeline = new api.DDPMPipeline({ unet, scheduler });
});

const files = (): Map<string, Uint8Array> => new Map();
const steps = (own: Bag) => new api.DDIMScheduler().setTimesteps({ numInferenceSteps: 2, ...own } as never);
const heun = (own: Bag) => {
  const euler = new api.EulerDiscreteScheduler();
  euler.setTimesteps(2);
  return euler.step(tensor, euler.timesteps[0] ?? 0, tensor, own);
};
const repaint = (own: Bag) =>
  new api.RePaintPipeline({ unet, scheduler }).generate({
    image: picture,
    maskImage: picture,
    numInferenceSteps: 2,
    ...own,
  });
const load = (own: Bag) => api.loadDataset([picture.toPNG()], { resolution: 8, ...own });

/** Who takes the options of a type. */
const CALLS: Record<string, Call> = {
  ImageOptions: load,
  StoredImageOptions: (own) => api.loadDataset("hub:owner/name", { resolution: 8, ...own }),
  SourceOptions: (own) =>
    "imageColumn" in own
      ? api.loadDataset(new Blob([]), { resolution: 8, ...own })
      : "shape" in own || "classLabels" in own
        ? api.loadDataset(tensor.data, { shape: tensor.shape, ...own } as never)
        : api.loadDataset("butterflies", { resolution: 8, ...own } as never),
  AdamWOptions: (own) => new api.AdamW(unet, own),
  DataLoaderOptions: (own) => new api.DataLoader(dataset, own),
  DatasetOptions: load,
  EmaOptions: (own) => api.EMAModel.create(unet, own),
  LrScheduleOptions: (own) => api.LRScheduler.create(new api.AdamW(unet), { learningRate: 1, ...own } as never),
  LRSchedulerOptions: (own) => api.LRScheduler.create(new api.AdamW(unet), { learningRate: 1, ...own } as never),
  SetTimesteps: steps,
  StepOptions: heun,
  TrainerOptions: (own) => new api.Trainer({ model: unet, scheduler, dataset, epochs: 1, ...own } as never),
  OutputOptions: (own) =>
    new api.Trainer({ model: unet, scheduler, dataset, epochs: 1, outputDir: "folder", ...own } as never),
  UNet2DModelConfig: (own) => api.UNet2DModel.create({ ...MODEL, ...own } as never),
  ImageGridOptions: (own) => api.imageGrid([picture], own),
  DeviceOptions: (own) => api.UNet2DModel.create(MODEL as never, own),
  CreateOptions: (own) => api.UNet2DModel.create(MODEL as never, own),
  LoadModelOptions: (own) => api.UNet2DModel.fromPretrained(files(), own),
  LoadPipelineOptions: (own) => api.DDPMPipeline.fromPretrained(files(), own),
  HubAccess: (own) => api.DDIMScheduler.fromPretrained("hub:owner/name", own),
  HubOptions: (own) => api.UNet2DModel.loadConfig("hub:owner/name", own),
  ForwardOptions: (own) => unet.forward(tensor, 1, own),
  BackwardOptions: (own) => unet.backward({ sample: tensor, timesteps: 1, target: tensor, ...own } as never),
  PushToHubOptions: (own) => pipeline.pushToHub("owner/name", own),
  ModelCardOptions: (own) => pipeline.pushToHub("owner/name", { modelCard: own }),
  GenerateOptions: (own) => pipeline.generate({ numInferenceSteps: 2, ...own } as never),
  UnconditionalGenerateOptions: (own) =>
    pipeline.generate({ numInferenceSteps: 2, ...("strength" in own && { image: picture }), ...own } as never),
  RePaintGenerateOptions: repaint,
  SavePretrainedOptions: (own) => unet.savePretrained(files(), own),
  RandomOptions: (own) => pipeline.generate({ numInferenceSteps: 2, ...own } as never),
};

/** Of pages' entries, of the inside, and of what is tested by itself. */
const ELSEWHERE = ["InitOptions", "ModuleOptions", "CreateWorkerOptions", "RunOutputOptions", "FindOptions"];

const classes = api as unknown as Record<string, new (config: Bag) => unknown>;
const callOf = (type: string): Call | undefined =>
  /SchedulerConfig$/.test(type)
    ? (own) => new (classes[type.replace(/Config$/, "")] as new (config: Bag) => unknown)(own)
    : CALLS[type];

describe.each(Object.entries(KINDS as Record<string, Record<string, string>>))("%s", (type, options) => {
  if (ELSEWHERE.includes(type)) {
    test("is of no call that takes options here", () => expect(callOf(type)).toBeUndefined());
    return;
  }

  test("has a call that takes it", () => expect(callOf(type)).toBeDefined());

  test.each(Object.entries(options))("%s", async (name, kind) => {
    const call = callOf(type) as Call;
    const values =
      name === "timesteps" && type === "BackwardOptions" ? [null, "5", true, {}, ["5"], [null]] : wrongValues(kind);
    for (const value of values ?? [null, true, () => undefined]) {
      if (kind.includes("PictureSource") && value === undefined) continue;
      await expectRefused(() => call({ [name]: value }), name, value);
    }
  });

  test("refuses what is no object of options, and options that there are not", async () => {
    if (type === "ModelCardOptions") return;
    const key = Object.keys(options)[0] ?? "";
    const error = (await refusal(() => (callOf(type) as Call)({ [`${key}x`]: 1 }))) as Error;
    expect(error).toMatchObject({ name: "EmberwingError", message: expect.stringContaining(`${key}x`) });
    expect(error.message).toContain(key);
  });
});

test("what is no bag of options is refused", async () => {
  const calls: ((bag: never) => unknown)[] = [
    (bag) => new api.Trainer(bag),
    (bag) => new api.DDPMPipeline(bag),
    (bag) => new api.DDIMPipeline(bag),
    (bag) => new api.RePaintPipeline(bag),
    (bag) => new api.AdamW(bag),
    (bag) => new api.AdamW(unet, bag),
    (bag) => new api.DataLoader(bag),
    (bag) => new api.DataLoader(dataset, bag),
    (bag) => new api.DDPMScheduler(bag),
    (bag) => api.DDIMScheduler.fromConfig(bag),
    (bag) => api.DDIMScheduler.fromConfig(scheduler, bag),
    (bag) => api.UNet2DModel.create(bag),
    (bag) => api.UNet2DModel.create(MODEL as never, bag),
    (bag) => api.EMAModel.create(bag),
    (bag) => api.EMAModel.create(unet, bag),
    (bag) => api.LRScheduler.create(new api.AdamW(unet), bag),
    (bag) => api.loadDataset(bag),
    (bag) => api.loadDataset("butterflies", bag),
    (bag) => api.UNet2DModel.fromPretrained(bag),
    (bag) => api.DDPMPipeline.fromPretrained(bag),
    (bag) => api.DDPMPipeline.fromPretrained(files(), bag),
    (bag) => api.DDPMScheduler.fromPretrained(bag),
    (bag) => pipeline.savePretrained(bag),
    (bag) => unet.savePretrained(bag),
    (bag) => pipeline.generate(bag),
    (bag) => unet.backward(bag),
    (bag) => unet.forward(bag, 1),
    (bag) => unet.forward(tensor, bag),
    (bag) => new api.Generator(bag),
    (bag) => new api.Generator(0).randn(bag),
    (bag) => new api.Generator(0).randint(bag, 5, [1]),
    (bag) => new api.Generator(0).setState(bag),
    (bag) => dataset.item(bag),
    (bag) => unet.clipGradNorm(bag),
    (bag) => new api.AdamW(unet).setLearningRate(bag),
    (bag) => new api.AdamW(unet).loadStateDict(bag),
    (bag) => scheduler.addNoise(bag, tensor, 1),
    (bag) => scheduler.addNoise(tensor, tensor, bag),
    (bag) => scheduler.setTimesteps(bag),
    (bag) => scheduler.setBeginIndex(bag),
    (bag) => api.imageGrid(bag),
    (bag) => api.imagesFromTensor(bag),
    (bag) => picture.save(bag),
    (bag) => api.Image.decode(bag),
    (bag) => api.Image.from(bag),
    (bag) => new api.Image(bag, 1, 1, 1),
    (bag) => new api.IntTensor(bag, [1]),
  ];
  for (const call of calls) {
    for (const value of [null, "", true, Symbol("a"), () => undefined, new Map(), 2.5]) {
      // Where a call takes it rightly: Maps of files, no seed, the default of undefined.
      const error = await refusal(() => call(value as never));
      const mapOfFiles = value instanceof Map && /Pretrained/.test(String(call));
      const number = value === 2.5 && /clipGradNorm|LearningRate|tensor, bag|addNoise/.test(String(call));
      if (mapOfFiles || number) continue;
      expect(error, `${call} ${String(value)}`).toMatchObject({ name: "EmberwingError" });
      expect((error as Error).message, String(call)).toMatch(/expected/);
    }
  }
});

test("an object of another copy of the package is told from one of another class", () => {
  const Twin = class UNet2DModel {};
  const twins = { unet: new Twin(), scheduler } as never;
  expect(() => new api.DDPMPipeline(twins)).toThrow(
    /^unet: expected a UNet2DModel, got one of another copy of emberwing/,
  );
  expect(() => new api.DDPMPipeline({ unet: scheduler, scheduler } as never)).toThrow(/got an object with/);
});

test("the largest seed is said", () => {
  expect(() => new api.Generator(2 ** 53)).toThrow(/seed: expected an integer from 0 to 9007199254740991/);
});

/** `betaStart` as files have it. */
const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

describe("files of configurations", () => {
  const inJson = (value: unknown): boolean => {
    const isPlain = value === null || ["string", "boolean"].includes(typeof value) || Number.isFinite(value);
    const isObject =
      typeof value === "object" && value !== null && !("valueOf" in value && typeof value.valueOf() !== "object");
    return (
      isPlain || (isObject && !(Array.isArray(value) && value.some((item) => item === undefined || Number.isNaN(item))))
    );
  };

  test.each(Object.entries(KINDS.UNet2DModelConfig))("config.json: %s", async (name, kind) => {
    const given = JSON.parse(new TextDecoder().decode(readFixture("pipelines/ddpm/unet/config.json")));
    for (const value of wrongValues(kind)?.filter(inJson) ?? []) {
      const text = JSON.stringify({ ...given, [snake(name)]: value });
      const folder = new Map([
        ["config.json", new TextEncoder().encode(text)],
        ["diffusion_pytorch_model.safetensors", readFixture("pipelines/ddpm/unet/diffusion_pytorch_model.safetensors")],
      ]);
      await expectRefused(() => api.UNet2DModel.fromPretrained(folder), snake(name), value);
      const error = (await refusal(() => api.UNet2DModel.fromPretrained(folder))) as Error;
      expect(error.message).toContain("config.json");
    }
  });

  const schedulers = Object.entries(KINDS as Record<string, Record<string, string>>).filter(([type]) =>
    /SchedulerConfig$/.test(type),
  );
  test.each(schedulers)("scheduler_config.json of %s", async (type, options) => {
    const className = type.replace(/Config$/, "");
    const Class = classes[className] as unknown as typeof api.DDPMScheduler;
    for (const [name, kind] of Object.entries(options)) {
      for (const value of wrongValues(kind)?.filter(inJson) ?? []) {
        const text = JSON.stringify({ _class_name: className, [snake(name)]: value });
        const folder = new Map([["scheduler_config.json", new TextEncoder().encode(text)]]);
        const call = () => Class.fromPretrained(folder);
        await expectRefused(call, snake(name), value);
        expect(((await refusal(call)) as Error).message).toContain("scheduler_config.json");
      }
    }
  });
});
