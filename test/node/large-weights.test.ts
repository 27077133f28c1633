/** Weights files that are longer than 2 GiB, which Node does not read in one piece: sparse, so that they take no room. */
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Generator, UNet2DModel } from "emberwing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fixturePath } from "../fixtures.js";

const GIGABYTES_3 = 3 * 2 ** 30;
const WEIGHTS = "diffusion_pytorch_model.safetensors";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "emberwing-large-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** The base model with a tensor of 3 GiB in front of its own. */
async function writeLarge(): Promise<void> {
  const [config, small] = await Promise.all(
    ["config.json", WEIGHTS].map((name) => readFile(fixturePath(`unet2d/base/${name}`))),
  );
  if (!config || !small) throw new Error("the fixture is not there");
  const dataStart = 8 + Number(small.readBigUInt64LE());
  const header = JSON.parse(small.subarray(8, dataStart).toString());
  for (const info of Object.values(header) as { data_offsets?: number[] }[]) {
    info.data_offsets = info.data_offsets?.map((offset) => offset + GIGABYTES_3);
  }
  header.extra = { dtype: "F32", shape: [GIGABYTES_3 / 4], data_offsets: [0, GIGABYTES_3] };
  delete header.__metadata__;
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  await writeFile(join(folder, "config.json"), config);
  await writeFile(join(folder, WEIGHTS), Buffer.concat([length, text]));
  const file = await open(join(folder, WEIGHTS), "r+");
  await file.write(small, dataStart, small.length - dataStart, length.length + text.length + GIGABYTES_3);
  await file.close();
}

test("a file of more than 2 GiB loads, and what the model does not need of it is not read", async () => {
  await writeLarge();
  const before = process.memoryUsage().rss;
  const warnings: string[] = [];
  using large = await UNet2DModel.fromPretrained(folder, { onWarning: (text) => void warnings.push(text) });
  expect(process.memoryUsage().rss - before).toBeLessThan(300e6);
  expect(warnings).toEqual([expect.stringMatching(/: extra$/)]);
  using small = await UNet2DModel.fromPretrained(fixturePath("unet2d/base"));
  const noise = new Generator(1).randn([1, 3, 8, 8]);
  expect(await large.forward(noise, 3)).toEqual(await small.forward(noise, 3));
});
