/** What is true of WebGPU alone: a card that fails is found out, and the page lives on; its memory does not grow. */
import { AdamW, devices, Generator, UNet2DModel } from "emberwing";
import { expect, test } from "vitest";
import { init } from "../../ts/src/browser.js";
import { createWorker, type WorkerApi } from "../../ts/src/worker.js";
import { tiny } from "../gpu/tiny.js";

const sample = new Generator(1).randn([3, 3, 8, 8]);
const target = new Generator(2).randn([3, 3, 8, 8]);

async function start(name: string): Promise<WorkerApi & Disposable> {
  const script = new Worker(new URL("./failing-card.ts", import.meta.url), { type: "module", name });
  const worker = await createWorker({ worker: script, gpu: true });
  return Object.assign(Object.create(worker), { [Symbol.dispose]: () => worker.terminate() });
}

test("the card is there, with its name", () => {
  expect(devices()).toEqual(["cpu", expect.stringMatching(/^gpu:0 \(.+, WebGPU, software\)$/)]);
});

test("a second init keeps the card that the first one opened", async () => {
  using unet = await UNet2DModel.create(tiny, { device: "gpu" });
  await init({ gpu: true });
  expect(devices()).toEqual(["cpu", unet.device]);
});

test("a card that computes something else is not used, and the reason is told", async () => {
  using worker = await start("wrong");
  const [cpu, reason] = await worker.devices();
  expect(cpu).toBe("cpu");
  expect(reason).toMatch(/^no gpu \(.*not the CPU's/);
  await expect(worker.UNet2DModel.create(tiny, { device: "gpu" })).rejects.toMatchObject({
    code: "DeviceUnavailable",
    message: expect.stringMatching(/not the CPU's/),
  });
  const unet = await worker.UNet2DModel.create(tiny, { device: "auto" });
  expect(await unet.device).toBe("cpu");
});

test("a card that goes away rejects what needed it; the CPU goes on", async () => {
  using worker = await start("lost");
  const unet = await worker.UNet2DModel.create(tiny, { device: "gpu" });
  await unet.forward(sample, 10);
  new BroadcastChannel("lost").postMessage("now");
  const lost = async () => {
    for (;;) await unet.forward(sample, 10);
  };
  await expect(lost()).rejects.toMatchObject({ code: "DeviceLost" });
  await expect(unet.backward({ sample, timesteps: 10, target })).rejects.toMatchObject({ code: "DeviceLost" });
  const onCpu = await worker.UNet2DModel.create(tiny, { device: "cpu" });
  expect((await onCpu.forward(sample, 10)).shape).toEqual(sample.shape);
});

test("memory stays level over 300 train steps", async () => {
  using unet = await UNet2DModel.create(tiny, { device: "gpu" });
  using optimizer = new AdamW(unet, { learningRate: 1e-4 });
  const train = async (steps: number) => {
    for (let step = 0; step < steps; step++) {
      await unet.backward({ sample, timesteps: 10, target });
      await optimizer.step();
      await optimizer.zeroGrad();
    }
  };
  await train(20);
  const [module, buffers] = [await moduleBytes(), countBuffers()];
  await train(300);
  // Buffers for reading a result come and go.
  expect(buffers.bytes()).toBeLessThan(1e6);
  expect((await moduleBytes()) - module).toBeLessThan(1e6);
});

/** Memory of the WebAssembly module. */
async function moduleBytes(): Promise<number> {
  const binding = await import("#wasm-gpu");
  return (await binding.default()).memory.buffer.byteLength;
}

interface GpuBuffer {
  readonly size: number;
  destroy(): void;
}
declare const GPUDevice: { prototype: { createBuffer(...args: unknown[]): GpuBuffer } };
declare const GPUBuffer: { prototype: GpuBuffer };

/** Bytes of buffers that are made from now on, less those that are destroyed. */
function countBuffers(): { bytes(): number } {
  let bytes = 0;
  const { createBuffer } = GPUDevice.prototype;
  GPUDevice.prototype.createBuffer = function (...args) {
    const buffer = createBuffer.apply(this, args);
    bytes += buffer.size;
    return buffer;
  };
  const { destroy } = GPUBuffer.prototype;
  GPUBuffer.prototype.destroy = function () {
    bytes -= this.size;
    destroy.call(this);
  };
  return { bytes: () => bytes };
}
