/** Folders of images with a table of their classes beside them, which anyone may have written. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Image, loadDataset } from "emberwing";
import fc from "fast-check";
import { afterAll } from "vitest";
import { fuzz } from "./fuzz.js";
import { swappedJson } from "./json-mutations.js";
import { damagedText } from "./mutations.js";

const root = mkdtempSync(join(tmpdir(), "emberwing-fuzz-metadata-"));
afterAll(() => rmSync(root, { recursive: true }));

const picture = new Image(new Uint8Array(48).fill(7), 4, 4, 3).toPNG();
const NAMES = ["a.png", "b.png", "sub/c.png"];
const rows = NAMES.map((file_name, index) => JSON.stringify({ file_name, label: `class ${index}`, text: "x" }));
const csv = `file_name,label\na.png,1\n"b.png","two, or ""2"""\nsub/c.png,3\n`;

const TABLES = {
  "metadata.jsonl": fc.oneof(
    damagedText([`${rows.join("\n")}\n`]),
    fc.tuple(...rows.map((row) => fc.oneof(fc.constant(row), swappedJson([row])))).map((lines) => lines.join("\n")),
  ),
  "metadata.csv": damagedText([csv, csv.replaceAll("\n", "\r\n")]),
};

for (const [name, texts] of Object.entries(TABLES)) {
  const folder = join(root, name);
  mkdirSync(join(folder, "sub"), { recursive: true });
  for (const image of NAMES) writeFileSync(join(folder, image), picture);
  fuzz(name, {
    inputs: texts,
    read: async (text) => {
      writeFileSync(join(folder, name), text);
      const dataset = await loadDataset(folder, { resolution: 4, classLabels: "label", onWarning: () => undefined });
      dataset.dispose();
    },
    share: 8,
  });
}
