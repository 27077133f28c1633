/** The model that the page opens with: `public/model`, which `pretrain.mjs` made. */
import type { WorkerApi } from "emberwing/worker";
import { loadModel, type Model } from "./model.js";

/** Named here, though a URL alone would do: then each name that a folder may hold is asked for, and most are not there. */
const FILES = [
  "model_index.json",
  "scheduler/scheduler_config.json",
  "unet/config.json",
  "unet/diffusion_pytorch_model.safetensors",
];

export async function pretrainedModel(api: WorkerApi, device: string): Promise<Model> {
  const files = await Promise.all(FILES.map(async (name) => [name, await content(name)] as const));
  return loadModel(api, new Map(files), { name: "Butterfly model", device });
}

async function content(name: string): Promise<Uint8Array> {
  const response = await fetch(`model/${name}`);
  if (!response.ok) throw new Error(`The server of this page does not have model/${name} (${response.status}).`);
  return new Uint8Array(await response.arrayBuffer());
}
