/** A hub on loopback, an empty cache and a clean environment for every test of a file. */
import { mkdtemp, readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DDPMPipeline, DDPMScheduler, Generator, UNet2DModel } from "emberwing";
import { afterEach, beforeEach } from "vitest";
import { HubServer } from "./hub-server.js";

const VARIABLES = [
  ...["HF_ENDPOINT", "HF_HOME", "HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "XDG_CACHE_HOME"],
  ...["HUGGINGFACE_HUB_CACHE", "HUGGING_FACE_HUB_TOKEN", "TRANSFORMERS_OFFLINE", "HF_HUB_DOWNLOAD_TIMEOUT"],
];

export interface HubSession {
  server: HubServer;
  /** `HF_HOME`. */
  home: string;
}

/** Its fields are set anew before each test. */
export function hubSession(): HubSession {
  const session = {} as HubSession;
  beforeEach(async () => {
    session.server = await HubServer.start();
    session.home = await mkdtemp(join(tmpdir(), "emberwing-hub-"));
    for (const name of VARIABLES) delete process.env[name];
    process.env.HF_ENDPOINT = session.server.endpoint;
    process.env.HF_HOME = session.home;
  });
  afterEach(() => session.server.close());
  return session;
}

/** The smallest pipeline, always with the same weights. */
export async function smallPipeline(seed = 0): Promise<DDPMPipeline> {
  const config = {
    ...{ sampleSize: 8, layersPerBlock: 1, blockOutChannels: [8, 8], normNumGroups: 4 },
    downBlockTypes: ["DownBlock2D", "DownBlock2D"] as ["DownBlock2D", "DownBlock2D"],
    upBlockTypes: ["UpBlock2D", "UpBlock2D"] as ["UpBlock2D", "UpBlock2D"],
  };
  const unet = await UNet2DModel.create(config, { generator: new Generator(seed) });
  return new DDPMPipeline({ unet, scheduler: new DDPMScheduler({ numTrainTimesteps: 100 }) });
}

/** The files that a pipeline's save writes, and two that no load needs. */
export async function pipelineFiles(): Promise<Record<string, Uint8Array>> {
  const folder = await mkdtemp(join(tmpdir(), "emberwing-pipeline-"));
  await (await smallPipeline()).savePretrained(folder);
  const files = await readFolder(folder);
  return { ...files, "README.md": Buffer.from("# hello"), "unet/diffusion_pytorch_model.bin": Buffer.from("unused") };
}

/** Contents by path. */
export async function readFolder(folder: string): Promise<Record<string, Uint8Array>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const contents = await Promise.all(paths.map(async (path) => [path.slice(folder.length + 1), await readFile(path)]));
  return Object.fromEntries(contents);
}

/** All paths below a folder, links too. */
export async function pathsIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}
