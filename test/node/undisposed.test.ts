/** Objects that nobody disposed of are collected before they fill the machine: V8 hears of the memory that they hold. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);

/** Its models weigh 15 MB. */
const PROGRAM = `
import { EMAModel, Generator, loadDataset, UNet2DModel } from "emberwing";
const config = { sampleSize: 16, blockOutChannels: [64, 128], layersPerBlock: 2,
  downBlockTypes: ["DownBlock2D", "DownBlock2D"], upBlockTypes: ["UpBlock2D", "UpBlock2D"] };
const create = () => UNet2DModel.create(config, { generator: new Generator(1) });
`;

async function outcome(work: string): Promise<{ peak: number }> {
  const report = "console.log(JSON.stringify({ peak: process.resourceUsage().maxRSS * 1024 }));";
  const program = `${PROGRAM}\n${work}\n${report}`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program], { timeout: 280_000 });
  return JSON.parse(stdout) as { peak: number };
}

test("150 models that nobody disposed of", { timeout: 300_000 }, async () => {
  const { peak } = await outcome("for (let i = 0; i < 150; i++) await create();");
  // 2.3 GB would be all of them.
  expect(peak).toBeLessThan(900e6);
});

test("100 averages of a model", { timeout: 300_000 }, async () => {
  const { peak } = await outcome(`
    const model = await create(), average = await EMAModel.create(model);
    for (let i = 0; i < 100; i++) { await average.step(); await average.averagedModel(); }`);
  expect(peak).toBeLessThan(900e6);
});

test("40 data sets of 25 MB", { timeout: 300_000 }, async () => {
  const { peak } = await outcome(`
    const images = new Float32Array(8 * 3 * 512 * 512);
    for (let i = 0; i < 40; i++) await loadDataset(images, { shape: [8, 3, 512, 512] });`);
  expect(peak).toBeLessThan(700e6);
});
