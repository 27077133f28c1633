/** Classes from the metadata.csv and metadata.jsonl beside images, as Hugging Face's `ImageFolder` reads them. */
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DataLoader, Image, type LoadDatasetOptions, loadDataset } from "emberwing";
import { describe, expect, test } from "vitest";

const png = new Image(new Uint8Array(6 * 4 * 3).fill(50), 6, 4, 3).toPNG();

async function folder(images: readonly string[], tables: Record<string, string> = {}): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "emberwing-"));
  const files = { ...Object.fromEntries(images.map((name) => [name, png])), ...tables };
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(root, name, ".."), { recursive: true });
    await writeFile(join(root, name), content);
  }
  return root;
}

async function load(root: string, options: LoadDatasetOptions) {
  const warnings: string[] = [];
  const onWarning = (warning: string) => void warnings.push(warning.replaceAll(`${root}/`, "").replaceAll(root, "."));
  const dataset = await loadDataset(root, { resolution: 4, onWarning, ...options });
  const numbers: number[] = [];
  for await (const batch of new DataLoader(dataset, { shuffle: false })) numbers.push(...(batch.classLabels ?? []));
  return { names: dataset.classNames, numbers, warnings };
}

const jsonl = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("\n");
const owls = { names: ["auk", "owl"], numbers: [1, 0], warnings: [] };

describe("a column of names", () => {
  test.each([
    ["metadata.csv", 'file_name,text,kind\na.png,"a bird, ""big""\nand dark",owl\nb/c.png,,auk\n'],
    ["metadata.csv", "\uFEFFkind,file_name\r\nowl,a.png\r\nauk,b\\c.png"],
    [
      "metadata.jsonl",
      jsonl([
        { file_name: "./a.png", kind: "owl" },
        { kind: "auk", file_name: "b/c.png" },
      ]),
    ],
    [
      "metadata.jsonl",
      jsonl([
        { image_file_name: "a.png", kind: "owl" },
        { image_file_name: "b/c.png", kind: "auk" },
      ]),
    ],
  ])("of %s %#", async (name, text) => {
    const root = await folder(["a.png", "b/c.png"], { [name]: text });
    expect(await load(root, { classLabels: "kind" })).toEqual(owls);
  });

  test("of the nearest file", async () => {
    const tables = {
      "metadata.csv": "file_name,kind\na.png,owl\nb/c.png,wrong\n",
      "b/metadata.jsonl": jsonl([{ file_name: "c.png", kind: "auk" }]),
    };
    expect(await load(await folder(["a.png", "b/c.png"], tables), { classLabels: "kind" })).toEqual(owls);
  });
});

test.each([
  ["numbers of CSV", "metadata.csv", "file_name,kind\na.png,2\nb.png,0\n", { names: ["0", "1", "2"], numbers: [2, 0] }],
  [
    "numbers of JSON",
    "metadata.jsonl",
    jsonl([
      { file_name: "a.png", kind: 1 },
      { file_name: "b.png", kind: 0 },
    ]),
    { names: ["0", "1"], numbers: [1, 0] },
  ],
  [
    "truths of CSV",
    "metadata.csv",
    "file_name,kind\na.png,True\nb.png,True\n",
    { names: ["false", "true"], numbers: [1, 1] },
  ],
  [
    "truths of JSON",
    "metadata.jsonl",
    jsonl([
      { file_name: "a.png", kind: true },
      { file_name: "b.png", kind: false },
    ]),
    { names: ["false", "true"], numbers: [1, 0] },
  ],
])("%s are classes", async (_, name, text, expected) => {
  expect(await load(await folder(["a.png", "b.png"], { [name]: text }), { classLabels: "kind" })).toEqual({
    ...expected,
    warnings: [],
  });
});

test("images without a row, rows without a value and rows without an image are told, or refused", async () => {
  const text = "file_name,kind\na.png,owl\nb.png,\nnone.png,auk\n";
  const root = await folder(["a.png", "b.png", "c.png"], { "metadata.csv": text });
  expect(await load(root, { classLabels: "kind" })).toEqual({
    ...{ names: ["owl"], numbers: [0] },
    warnings: [
      "metadata.csv: names 1 files that are not there: none.png",
      ".: left out 2 images without a `kind` in the metadata: b.png, c.png",
    ],
  });
  await expect(load(root, { classLabels: "kind", strict: true })).rejects.toThrow(/none\.png/);
});

test("metadata that nobody asked for are said to be unused", async () => {
  const root = await folder(["b/a.png"], { "metadata.csv": "file_name,kind\nb/a.png,owl\n" });
  for (const options of [{}, { classLabels: "folder" }] as const) {
    expect((await load(root, options)).warnings).toEqual([
      expect.stringMatching(/^metadata\.csv: is not used; .classLabels/),
    ]);
  }
});

test.each([
  [
    "another column",
    "metadata.csv",
    "file_name,kind,text\na.png,owl,\n",
    /classLabels.*metadata\.csv \(`kind`, `text`\).*"species"/,
  ],
  [
    "no file names",
    "metadata.csv",
    "file,species\na.png,owl\n",
    /metadata\.csv: expected a column `file_name`, found `file`, `species`/,
  ],
  [
    "semicolons",
    "metadata.csv",
    "file_name;species\na.png;owl\n",
    /expected a column `file_name`, found `file_name;species`/,
  ],
  ["a quotation mark that is not closed", "metadata.csv", 'file_name,species\n"a.png,owl\n', /quotation mark/],
  ["too many fields", "metadata.csv", "file_name,species\na.png,owl,auk\n", /expected 2 fields, found 3 in row 1/],
  ["nothing", "metadata.csv", "", /metadata\.csv: expected a line of columns/],
  ["damaged JSON", "metadata.jsonl", '{"file_name":"a.png","species":"owl"}\n{"file_name"\n', /JSON in line 2/],
  ["JSON that is no object", "metadata.jsonl", "[1]\n", /JSON in line 1/],
  [
    "a list as a class",
    "metadata.jsonl",
    jsonl([{ file_name: "a.png", species: ["owl"] }]),
    /name or a number as `species` of row 1/,
  ],
  [
    "no image of the folder",
    "metadata.csv",
    "file_name,species\nb.png,owl\n",
    /files of images in the metadata, found none/,
  ],
])("%s are refused", async (_, name, text, message) => {
  const root = await folder(["a.png"], { [name]: text });
  await expect(load(root, { classLabels: "species" })).rejects.toThrow(message);
});

test("without metadata, the error says what there could be", async () => {
  const loading = load(await folder(["a.png"]), { classLabels: "species" });
  await expect(loading).rejects.toThrow(/classLabels: expected "folder".*metadata\.csv.*got "species"/);
});
