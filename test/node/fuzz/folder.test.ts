/** Saved folders whose files are damaged: from memory, and from a web server. */
import { DiffusionPipeline, type PretrainedSource, UNet2DModel } from "emberwing";
import fc from "fast-check";
import { afterAll, expect, test, vi } from "vitest";
import { smallPipeline } from "../hub-session.js";
import { fuzz } from "./fuzz.js";
import { swappedJson } from "./json-mutations.js";
import { damaged } from "./mutations.js";

const saved = new Map<string, Uint8Array>();
await (await smallPipeline()).savePretrained(saved);
const names = [...saved.keys()];
const INDEX = "unet/diffusion_pytorch_model.safetensors.index.json";
const index = JSON.stringify({ weight_map: { "conv_in.weight": "diffusion_pytorch_model.safetensors" } });
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** One file of the folder, and what it is changed to. */
const changes: fc.Arbitrary<Change> = fc.constantFrom(...names, INDEX).chain((name) => {
  const content = saved.get(name) ?? encoder.encode(index);
  const changed: fc.Arbitrary<Uint8Array> = name.endsWith(".json")
    ? swappedJson([decoder.decode(content)]).map((text) => encoder.encode(text))
    : damaged([content]);
  return fc.record({ name: fc.constant(name), content: changed });
});

interface Change {
  name: string;
  content: Uint8Array;
}

const folderWith = ({ name, content }: Change): Map<string, Uint8Array> => new Map([...saved, [name, content]]);

async function load(source: PretrainedSource): Promise<void> {
  const pipeline = await DiffusionPipeline.fromPretrained(source);
  const { unet } = pipeline.components;
  if (unet instanceof UNet2DModel) unet.dispose();
}

fuzz("folder", { inputs: changes, read: (change) => load(folderWith(change)), share: 4 });

const ADDRESS = new URL("http://folder.invalid/a/model/");

/** Answers as a web server that has these files. */
function serve(files: ReadonlyMap<string, Uint8Array>): void {
  vi.stubGlobal("fetch", async (input: URL | string) => {
    const content = files.get(new URL(input).pathname.slice(ADDRESS.pathname.length));
    return new Response(content as BodyInit | undefined, { status: content ? 200 : 404 });
  });
}

afterAll(() => vi.unstubAllGlobals());

fuzz("web folder", {
  inputs: changes,
  read: async (change) => {
    serve(folderWith(change));
    await load(ADDRESS);
  },
  share: 4,
});

test("a web folder whose body breaks off is refused with its address", async () => {
  vi.stubGlobal("fetch", async () => {
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error("terminated")) });
    return new Response(body);
  });
  await expect(UNet2DModel.fromPretrained(ADDRESS)).rejects.toMatchObject({
    code: "InvalidFile",
    message: expect.stringContaining("http://folder.invalid/a/model/"),
  });
});

test.each(["../unet", "unet/../../x", "__proto__", "", "a b"])("a part %j is refused", async (name) => {
  const text = `{"_class_name": "DDPMPipeline", ${JSON.stringify(name)}: ["diffusers", "UNet2DModel"]}`;
  const files = new Map([...saved, ["model_index.json", encoder.encode(text)]]);
  await expect(DiffusionPipeline.fromPretrained(files)).rejects.toMatchObject({
    code: "InvalidFile",
    message: expect.stringContaining(JSON.stringify(name)),
  });
});

test("a part that no pipeline has is refused before it is loaded", async () => {
  const parts = Array.from({ length: 1000 }, (_, part) => [`unet${part}`, ["diffusers", "UNet2DModel"]]);
  const text = JSON.stringify({ _class_name: "DDPMPipeline", ...Object.fromEntries(parts) });
  const files = new Map([...saved, ["model_index.json", encoder.encode(text)]]);
  await expect(DiffusionPipeline.fromPretrained(files)).rejects.toMatchObject({
    code: "Unsupported",
    message: expect.stringMatching(/`unet0`.*unet and scheduler/),
  });
});
