/** Checkpoints that others may have written, or that a disk damaged. */
import { createHash } from "node:crypto";
import { EmberwingError } from "emberwing";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Files } from "../../../ts/src/platform/files.js";
import { Checkpoints } from "../../../ts/src/training/checkpoints.js";
import { fuzz } from "./fuzz.js";
import { swappedJson } from "./json-mutations.js";
import { damaged } from "./mutations.js";

const encoder = new TextEncoder();
const contents: Record<string, Uint8Array> = {
  "unet/config.json": encoder.encode('{"sample_size": 8}'),
  "optimizer.safetensors": Uint8Array.from({ length: 64 }, (_, index) => index),
  "trainer_state.json": encoder.encode('{"step": 2}'),
};
const entries = Object.entries(contents).map(([name, bytes]) => [
  name,
  { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") },
]);
const manifest = JSON.stringify({ step: 2, files: Object.fromEntries(entries) });

/** A folder in memory; what is read outside of it is noted. */
function folderOf(files: ReadonlyMap<string, Uint8Array>): { disk: Files; outside: string[] } {
  const outside: string[] = [];
  const disk = {
    join: (...parts: string[]) => parts.join("/"),
    listFolders: async () => [...new Set([...files.keys()].map((path) => path.split("/")[1] as string))].sort(),
    async read(path: string) {
      if (/(^|\/)\.\.?(\/|$)|\\|\0/.test(path) || !path.startsWith("run/")) outside.push(path);
      const content = files.get(path);
      if (content) return content;
      throw new EmberwingError("MissingFile", `${path}: there is no such file`);
    },
  } as Partial<Files> as Files;
  return { disk, outside };
}

interface Run {
  names: string[];
  manifest: string;
  changed: string;
  content: Uint8Array;
}

const NAMES = ["checkpoint-2", "checkpoint-2", "checkpoint-10", "checkpoint-02", "checkpoint-1e3", "checkpoint-"];
const runs: fc.Arbitrary<Run> = fc.constantFrom(...Object.keys(contents)).chain((changed) =>
  fc.record({
    names: fc.array(fc.constantFrom(...NAMES, `checkpoint-${"9".repeat(30)}`, ".checkpoint-2.tmp"), { minLength: 1 }),
    manifest: fc.oneof(fc.constant(manifest), swappedJson([manifest])),
    changed: fc.constant(changed),
    content: damaged([contents[changed] as Uint8Array]),
  }),
);

async function readRun({ names, manifest: text, changed, content }: Run): Promise<void> {
  const files = new Map<string, Uint8Array>();
  for (const name of names) {
    for (const [file, bytes] of Object.entries(contents)) files.set(`run/${name}/${file}`, bytes);
    files.set(`run/${name}/${changed}`, content);
    files.set(`run/${name}/checkpoint.json`, encoder.encode(text));
  }
  const { disk, outside } = folderOf(files);
  const problems: string[] = [];
  const checkpoints = new Checkpoints(disk, "run");
  const found = await checkpoints.latest((problem) => problems.push(problem));
  expect(outside).toEqual([]);
  for (const bytes of found?.content.values() ?? []) expect(bytes).toBeInstanceOf(Uint8Array);
  if (!found) await checkpoints.read(`run/${names[0]}`);
}

fuzz("checkpoint folder", { inputs: runs, read: readRun });

test.each(["../../etc/passwd", "/dev/zero", "a/./b", "a//b", "", "..", "a\\..\\b"])(
  "a checkpoint that names a file %j is damaged",
  async (name) => {
    const text = JSON.stringify({ step: 2, files: { [name]: { bytes: 1, sha256: "" } } });
    const { disk, outside } = folderOf(new Map([["run/checkpoint-2/checkpoint.json", encoder.encode(text)]]));
    await expect(new Checkpoints(disk, "run").read("run/checkpoint-2")).rejects.toMatchObject({ code: "InvalidFile" });
    expect(outside).toEqual([]);
  },
);

test.each(["null", "{}", '{"files":null}', '{"files":{"a":null}}', '{"files":{"a":{}}}', '{"files":[1]}', "[]"])(
  "a checkpoint with the list %s is damaged",
  async (text) => {
    const { disk } = folderOf(new Map([["run/checkpoint-2/checkpoint.json", encoder.encode(text)]]));
    await expect(new Checkpoints(disk, "run").read("run/checkpoint-2")).rejects.toMatchObject({ code: "InvalidFile" });
  },
);
