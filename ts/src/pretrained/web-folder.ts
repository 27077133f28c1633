/** A saved folder on a web server. Servers do not list folders, so the names that a load may want are asked for. */
import { EmberwingError } from "../errors.js";
import { readerOf } from "../platform/files.js";
import type { PretrainedFolder } from "./folder.js";

const NAMES = [
  "model_index.json",
  "scheduler_config.json",
  "config.json",
  ...["diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"].flatMap((name) => [
    name,
    `${name}.index.json`,
  ]),
];

/** @param base Of the folder, whether or not with a slash at its end. Files of a variant are not looked for. */
export function webFolder(base: URL): PretrainedFolder {
  const at = (name: string): URL => new URL(`${base.pathname.replace(/\/?$/, "/")}${name}${base.search}`, base);
  let names: Promise<string[]> | undefined;
  return {
    path: base.href,
    async fileNames() {
      names ??= existing(at);
      const found = await names;
      return found.length === 0 ? undefined : found;
    },
    read: (name) => content(at(name)),
    open: async (name) => readerOf(await blob(at(name))),
    subfolder: (name) => webFolder(at(name)),
  };
}

async function existing(at: (name: string) => URL): Promise<string[]> {
  const answers = await Promise.all(NAMES.map(async (name) => ((await isThere(at(name))) ? [name] : [])));
  const names = answers.flat();
  const shards = names.filter((name) => name.endsWith(".index.json")).map((index) => shardNames(at(index)));
  return [...names, ...(await Promise.all(shards)).flat()].sort();
}

/** Servers of web applications answer whatever they do not have with a page. */
async function isThere(url: URL): Promise<boolean> {
  const { ok, headers } = await request(url, { method: "HEAD" });
  return ok && !headers.get("content-type")?.startsWith("text/html");
}

/** None where the index cannot be read: whoever loads by it says what is wrong with it. */
async function shardNames(index: URL): Promise<string[]> {
  const text = new TextDecoder().decode(await content(index));
  return [...new Set(Object.values(weightMap(text)).filter((name) => typeof name === "string"))];
}

function weightMap(text: string): object {
  try {
    return (JSON.parse(text) as { weight_map?: object } | null)?.weight_map ?? {};
  } catch {
    return {};
  }
}

async function content(url: URL): Promise<Uint8Array> {
  return new Uint8Array(await (await blob(url)).arrayBuffer());
}

/** A browser keeps a large one on the disk. */
async function blob(url: URL): Promise<Blob> {
  const response = await get(url);
  try {
    return await response.blob();
  } catch (error) {
    throw unreachable(url, error);
  }
}

async function get(url: URL): Promise<Response> {
  const response = await request(url);
  if (response.ok) return response;
  const code = response.status === 404 ? "MissingFile" : "InvalidFile";
  throw new EmberwingError(code, `${url}: the server answered ${response.status}`);
}

async function request(url: URL, options?: RequestInit): Promise<Response> {
  try {
    return await fetch(url, options);
  } catch (error) {
    throw unreachable(url, error);
  }
}

function unreachable(url: URL, error: unknown): EmberwingError {
  const advice = "see that the address is right and that its server allows other sites to read it (CORS)";
  return new EmberwingError("InvalidFile", `${url}: cannot be fetched (${(error as Error).message}): ${advice}`, {
    cause: error,
  });
}
