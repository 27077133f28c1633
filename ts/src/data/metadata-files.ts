/** What stands beside images in `metadata.csv` and `metadata.jsonl`, as Hugging Face's `ImageFolder` reads them. */
import { describe, EmberwingError, invalidArgument } from "../errors.js";
import type { ReadableFiles } from "../platform/files.js";
import { shownName } from "../platform/shown-name.js";
import type { ClassLabel } from "./class-labels.js";
import { parseCsv } from "./csv.js";
import type { ImageFolder } from "./folder-images.js";
import type { ImageOptions } from "./image-sources.js";
import { someOf } from "./training-files.js";

export const isMetadataFile = (path: string): boolean => /(^|\/)metadata\.(csv|jsonl)$/.test(path);

/** One row: its values by their columns. Those of `metadata.csv` are text. */
type Row = Readonly<Record<string, unknown>>;

interface Table {
  path: string;
  columns: readonly string[];
  rows: readonly Row[];
}

export interface LabelledImages {
  names: string[];
  labels: ClassLabel[];
}

/**
 * The images that have a value in a column of the metadata, with it. Images without one, and rows whose file is not there,
 * are told, or refused where it is `strict`.
 *
 * @param metadata The names of the metadata files in the folder; each speaks of the files in its own folder and below.
 */
export async function labelledImages(
  files: ReadableFiles,
  { directory, names }: ImageFolder,
  metadata: readonly string[],
  column: string,
  { strict = false, onWarning = console.warn }: ImageOptions,
): Promise<LabelledImages> {
  const tell = async (problem: string): Promise<void> => {
    if (strict) throw new EmberwingError("InvalidFile", problem);
    await onWarning(problem);
  };
  const values = new Map<string, ClassLabel>();
  const present = new Set(names);
  // The nearest one counts: those of inner folders come last.
  for (const name of [...metadata].sort((a, b) => depth(a) - depth(b))) {
    const table = await readTable(files, files.join(directory, name));
    checkColumn(table, column);
    const missing: string[] = [];
    for (const [file, label] of valuesOf(table, column)) {
      const path = inFolderOf(name, file);
      if (!present.has(path)) missing.push(file);
      else if (label !== undefined) values.set(path, label);
    }
    if (missing.length > 0) {
      await tell(`${table.path}: names ${missing.length} files that are not there: ${someOf(missing)}`);
    }
  }
  const labelled = names.filter((name) => values.has(name));
  if (labelled.length < names.length) {
    const without = names.filter((name) => !values.has(name));
    await tell(
      `${directory}: left out ${without.length} images without a \`${column}\` in the metadata: ${someOf(without)}`,
    );
  }
  if (labelled.length === 0) {
    throw new EmberwingError("InvalidFile", `${directory}: expected the files of images in the metadata, found none`);
  }
  return { names: labelled, labels: labelled.map((name) => values.get(name) as ClassLabel) };
}

const depth = (path: string): number => path.split("/").length;

async function readTable(files: ReadableFiles, path: string): Promise<Table> {
  const text = decodeText(path, await files.read(path));
  const rows = path.endsWith(".csv") ? csvRows(path, text) : jsonRows(path, text);
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  if (columns.some(namesFiles)) return { path, columns, rows };
  throw invalidTable(
    path,
    `a column \`file_name\`, found ${columns.map((name) => `\`${name}\``).join(", ") || "none"}`,
  );
}

/** A column of the names of files: `file_name`, or one of several, such as `input_file_name`. */
const namesFiles = (column: string): boolean => /(^|_)file_name$/.test(column);

function decodeText(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw invalidTable(path, "text in UTF-8");
  }
}

function csvRows(path: string, text: string): Row[] {
  const [header, ...lines] = parseCsv(text) ?? [];
  if (!header) throw invalidTable(path, "a line of columns, and every quotation mark closed");
  return lines.map((fields, index) => {
    if (fields.length > header.length) {
      throw invalidTable(path, `${header.length} fields, found ${fields.length} in row ${index + 1}`);
    }
    return Object.fromEntries(header.map((column, at) => [column, fields[at] ?? ""]));
  });
}

function jsonRows(path: string, text: string): Row[] {
  return text.split("\n").flatMap((line, index) => {
    if (line.trim() === "") return [];
    try {
      const row: unknown = JSON.parse(line);
      if (row !== null && typeof row === "object" && !Array.isArray(row)) return [row as Row];
    } catch {
      // Said below, like a line that holds something else.
    }
    throw invalidTable(path, `an object of JSON in line ${index + 1}`);
  });
}

function invalidTable(path: string, expected: string): EmberwingError {
  return new EmberwingError("InvalidFile", `${shownName(path)}: expected ${expected}`);
}

function checkColumn({ path, columns }: Table, column: string): void {
  if (columns.includes(column)) return;
  const known = columns.filter((name) => !namesFiles(name)).map((name) => `\`${name}\``);
  throw invalidArgument(
    "classLabels",
    `"folder", or a column of ${path} (${known.join(", ") || "it has none"})`,
    column,
  );
}

/** Each file that a row names, with the row's label, where it has one. */
function valuesOf({ path, columns, rows }: Table, column: string): [file: string, label: ClassLabel | undefined][] {
  const inNames = columns.filter(namesFiles);
  const isText = path.endsWith(".csv");
  const given = rows.map((row) => row[column]).filter((value) => value !== "");
  const read = isText ? textReader(given as string[]) : (value: unknown) => value;
  return rows.flatMap((row, index) => {
    const label = labelOf(path, index, column, isText && row[column] === "" ? undefined : read(row[column]));
    return inNames.flatMap((name): [string, ClassLabel | undefined][] => {
      const file = row[name];
      return typeof file === "string" && file !== "" ? [[file, label]] : [];
    });
  });
}

/** Text without a type, by what all of the column is, as pandas reads it. */
function textReader(values: readonly string[]): (value: unknown) => unknown {
  if (values.every((value) => /^\d+$/.test(value))) return Number;
  if (values.every((value) => /^(true|false)$/i.test(value))) return (value) => /^true$/i.test(String(value));
  return (value) => value;
}

function labelOf(path: string, index: number, column: string, value: unknown): ClassLabel | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  throw invalidTable(path, `a name or a number as \`${column}\` of row ${index + 1}, found ${describe(value)}`);
}

/** The name of a file from the root, where a metadata file names it from its own folder, perhaps as Windows does. */
function inFolderOf(metadata: string, file: string): string {
  const parts = metadata.split("/").slice(0, -1);
  for (const part of file.replaceAll("\\", "/").split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}
