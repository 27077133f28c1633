/** What the files of a model may hold beside it, and the number formats that they may have. */
import {
  DDIMScheduler,
  DDPMPipeline,
  DiffusionPipeline,
  type EmberwingError,
  Generator,
  type PretrainedFolder,
  UNet2DModel,
} from "emberwing";
import { beforeAll, describe, expect, test } from "vitest";
import { expectTensorClose } from "./closeness.js";
import { readFixture } from "./fixture-files.js";
import { tensorsIn } from "./fixtures.js";

const WEIGHTS = "diffusion_pytorch_model.safetensors";
const FOLDER = "unet2d/base";

interface Part {
  dtype: string;
  shape: number[];
  bytes: Uint8Array;
}

const encoded = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const decoded = <T>(content: Uint8Array): T => JSON.parse(new TextDecoder().decode(content)) as T;

function safetensors(parts: Record<string, Part>): Uint8Array {
  let end = 0;
  const header = Object.entries(parts).map(([name, { dtype, shape, bytes }]) => {
    const start = end;
    end += bytes.length;
    return [name, { dtype, shape, data_offsets: [start, end] }];
  });
  const text = encoded(Object.fromEntries(header));
  const length = new Uint8Array(new BigUint64Array([BigInt(text.length)]).buffer);
  return Uint8Array.from(
    [length, text, ...Object.values(parts).map(({ bytes }) => bytes)].flatMap((part) => [...part]),
  );
}

let parts: Record<string, Part>;
let config: Record<string, unknown>;
beforeAll(() => {
  config = decoded(readFixture(`${FOLDER}/config.json`));
  const tensors = Object.entries(tensorsIn(readFixture(`${FOLDER}/${WEIGHTS}`)));
  parts = Object.fromEntries(
    tensors.map(([name, { data, shape }]) => [name, { dtype: "F32", shape, bytes: new Uint8Array(data.buffer) }]),
  );
});

const model = (changes: { parts?: Record<string, Part>; config?: object } = {}): Map<string, Uint8Array> =>
  new Map([
    ["config.json", encoded({ ...config, ...changes.config })],
    [WEIGHTS, safetensors({ ...parts, ...changes.parts })],
  ]);

/** The model's output and the warnings of loading it. */
async function load(source: Map<string, Uint8Array> | PretrainedFolder) {
  const warnings: string[] = [];
  using unet = await UNet2DModel.fromPretrained(source, { onWarning: (text) => void warnings.push(text) });
  const output = await unet.forward(new Generator(5).randn([1, 3, 8, 8]), 7);
  return { warnings, output };
}

async function refusal(source: Map<string, Uint8Array>): Promise<EmberwingError> {
  return UNet2DModel.fromPretrained(source, { onWarning: () => undefined }).then(
    () => expect.fail("it loads"),
    (error: EmberwingError) => error,
  );
}

const FORMATS = {
  U8: 1,
  I8: 1,
  BOOL: 1,
  I16: 2,
  U16: 2,
  I32: 4,
  U32: 4,
  U64: 8,
  C64: 8,
  F8_E4M3: 1,
  F8_E8M0: 1,
  F32: 4,
};

describe("what the model does not have", () => {
  test("is passed over with one warning that names it", async () => {
    const plain = await load(model());
    expect(plain.warnings).toEqual([]);
    const extra = Object.entries(FORMATS).map(([dtype, size]): [string, Part] => [
      `extra.${dtype}`,
      { dtype, shape: [3], bytes: new Uint8Array(3 * size).fill(7) },
    ]);
    const loaded = await load(model({ parts: Object.fromEntries(extra), config: { new_option: [1], other: null } }));
    expect(loaded.output).toEqual(plain.output);
    expect(loaded.warnings).toHaveLength(1);
    for (const [name] of extra) expect(loaded.warnings[0]).toContain(name);
    expect(loaded.warnings[0]).toMatch(
      /config attributes \{.*new_option.*other.*\}.*; some weights of the model checkpoint \(/,
    );
  });

  test("is told on the console, and an async callback that rejects ends the load", async () => {
    const source = model({ config: { new_option: 1 } });
    const failure = new Error("no warnings, please");
    const loading = UNet2DModel.fromPretrained(source, { onWarning: () => Promise.reject(failure) });
    await expect(loading).rejects.toBe(failure);
    await expect(UNet2DModel.loadConfig(source, { onWarning: () => Promise.reject(failure) })).rejects.toBe(failure);
  });

  test("is left out of loadConfig, and refused where a program passes it", async () => {
    const warnings: string[] = [];
    const source = model({ config: { new_option: 1 } });
    const known = await UNet2DModel.loadConfig(source, { onWarning: (text) => void warnings.push(text) });
    expect(warnings).toEqual([expect.stringContaining("{new_option}")]);
    using made = await UNet2DModel.create(known);
    expect(made.config).not.toHaveProperty("newOption");
    await expect(UNet2DModel.create({ ...known, newOption: 1 } as object)).rejects.toMatchObject({
      code: "InvalidConfig",
    });
  });

  test("a missing tensor is refused beside an extra one", async () => {
    const { "conv_in.weight": gone, ...others } = parts;
    const files = model();
    files.set(WEIGHTS, safetensors({ ...others, extra: gone as Part }));
    const error = await refusal(files);
    expect(error).toMatchObject({ code: "InvalidFile" });
    expect(error.message).toMatch(/1 missing: conv_in.weight; 1 unexpected: extra/);
  });

  test("a needed tensor in a format that is not read is refused by name", async () => {
    const error = await refusal(
      model({ parts: { "conv_in.bias": { dtype: "I32", shape: [8], bytes: new Uint8Array(32) } } }),
    );
    expect(error.message).toContain("tensor `conv_in.bias` has the unsupported number format I32");
  });

  test("in a scheduler's file, and in a pipeline, with one warning a part", async () => {
    const scheduler = encoded({
      _class_name: "DDIMScheduler",
      num_train_timesteps: 50,
      tensor_format: "pt",
      skip_prk_steps: true,
    });
    const warnings: string[] = [];
    const onWarning = async (text: string): Promise<void> => void warnings.push(text);
    await DDIMScheduler.fromPretrained(new Map([["scheduler_config.json", scheduler]]), { onWarning });
    expect(warnings).toEqual([expect.stringContaining("{tensor_format}")]);
    const unet = model({ config: { new_option: 1 } });
    const files = new Map([
      [
        "model_index.json",
        encoded({
          _class_name: "DDPMPipeline",
          unet: ["diffusers", "UNet2DModel"],
          scheduler: ["diffusers", "DDIMScheduler"],
        }),
      ],
      ["scheduler/scheduler_config.json", scheduler],
      ...[...unet].map(([name, content]): [string, Uint8Array] => [`unet/${name}`, content]),
    ]);
    const pipeline = await DiffusionPipeline.fromPretrained(files, { onWarning });
    expect(pipeline).toBeInstanceOf(DDPMPipeline);
    expect(warnings.slice(1).sort()).toEqual([
      expect.stringMatching(/^scheduler.*tensor_format/),
      expect.stringMatching(/^unet.*new_option/),
    ]);
  });
});

describe("quantised weights", () => {
  const scale = (value: number): Part => ({
    dtype: "F32",
    shape: [1],
    bytes: new Uint8Array(new Float32Array([value]).buffer),
  });
  test.each([
    "conv_in.weight_scale",
    "conv_in.scale_weight",
    "conv_in.weight.absmax",
    "conv_in.weight.quant_state.bitsandbytes__nf4",
    "conv_in.SCB",
  ])("are refused by the name of %s", async (name) => {
    const error = await refusal(model({ parts: { [name]: scale(0.5) } }));
    expect(error).toMatchObject({ code: "Unsupported" });
    expect(error.message).toContain(`\`${name}\``);
  });

  test("are refused by their configuration, where there is one", async () => {
    const error = await refusal(model({ config: { quantization_config: { quant_method: "bitsandbytes" } } }));
    expect(error.message).toMatch(/quantization_config in .*config\.json/);
    expect((await load(model({ config: { quantization_config: null } }))).warnings).toEqual([]);
  });

  test("load where nothing would change", async () => {
    const loaded = await load(
      model({ parts: { "conv_in.weight_scale": scale(1), "elsewhere.weight_scale": scale(2) } }),
    );
    expect(loaded.warnings).toHaveLength(1);
  });
});

test.each(["F8_E4M3", "F8_E5M2"])("weights in %s give the output of the same values in F32", async (dtype) => {
  const values = tensorsIn(readFixture("odd_weights/f8_expected.safetensors"))[dtype === "F8_E4M3" ? "e4m3" : "e5m2"];
  const codes = Array.from(values?.data ?? [], (value, code) => [value, code] as const).filter(
    ([value]) => Math.abs(value) < 1,
  );
  const [eight, single]: [Record<string, Part>, Record<string, Part>] = [{}, {}];
  for (const [name, { shape, bytes }] of Object.entries(parts)) {
    const chosen = Array.from({ length: bytes.length / 4 }, (_, index) => codes[(index * 7) % codes.length] ?? [0, 0]);
    eight[name] = { dtype, shape, bytes: Uint8Array.from(chosen, ([, code]) => code) };
    single[name] = { dtype: "F32", shape, bytes: new Uint8Array(Float32Array.from(chosen, ([value]) => value).buffer) };
  }
  const [got, expected] = [await load(model({ parts: eight })), await load(model({ parts: single }))];
  expect(got.output).toEqual(expected.output);
});

test("a file is read in parts, and the tensors that the model does not have are not", async () => {
  const large: Part = { dtype: "F32", shape: [5 << 20], bytes: new Uint8Array(0) };
  const bytes = safetensors(parts);
  const header = decoded<Record<string, object>>(
    bytes.slice(8, 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true))),
  );
  const dataStart = 8 + encoded(header).length;
  const dataLength = bytes.length - dataStart;
  const text = encoded({
    ...header,
    zz: { dtype: "F32", shape: large.shape, data_offsets: [dataLength, dataLength + (20 << 20)] },
  });
  const start = Uint8Array.from([...new Uint8Array(new BigUint64Array([BigInt(text.length)]).buffer), ...text]);
  const file = new Blob([start, bytes.slice(dataStart), new Uint8Array(20 << 20)]);
  const reads: number[] = [];
  let open = 0;
  const folder: PretrainedFolder = {
    path: "own",
    fileNames: async () => ["config.json", WEIGHTS],
    read: async (name) => (name === WEIGHTS ? expect.fail("it is read whole") : encoded(config)),
    async open() {
      open++;
      return {
        byteLength: file.size,
        slice(from, to) {
          reads.push((to ?? file.size) - from);
          return file.slice(from, to).arrayBuffer();
        },
        close: async () => void open--,
      };
    },
    subfolder: () => folder,
  };
  const loaded = await load(folder);
  expectTensorClose(loaded.output, (await load(model())).output, 0);
  expect(loaded.warnings).toEqual([expect.stringMatching(/^own: .*: zz$/)]);
  expect(reads.reduce((sum, length) => sum + length, 0)).toBeLessThan(8 << 20);
  expect(open).toBe(0);
});
