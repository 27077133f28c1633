/** The image files in a folder and its subfolders. */
import { EmberwingError } from "../errors.js";
import type { FoundFile, FoundProblem, ReadableFiles } from "../platform/files.js";
import { shownName } from "../platform/shown-name.js";
import type { ClassLabel } from "./class-labels.js";
import { IMAGE_FILE, READ_FORMATS, unreadFormats } from "./image-formats.js";
import type { EncodedImage, ImageOptions } from "./image-sources.js";

/** Images below one folder; `names` are relative to it. */
export interface ImageFolder {
  directory: string;
  names: readonly string[];
}

/** Of a file without an ending, or of a folder. */
const NO_ENDING = /^(?:.*\/)?[^/.]+$/;

/**
 * The names of the images among the files of a folder. What is of a format that is not read, and what cannot be read at all,
 * is told, or refused where it is `strict`.
 */
export async function imagesAmong(
  directory: string,
  found: readonly FoundFile[],
  options: ImageOptions,
): Promise<string[]> {
  const { strict = false, onWarning = console.warn } = options;
  const names = found.filter(({ problem }) => problem === undefined).map(({ name }) => name);
  const images = names.filter((name) => IMAGE_FILE.test(name));
  const tell = async (problem: string): Promise<void> => {
    if (strict) throw new EmberwingError("InvalidFile", problem);
    await onWarning(problem);
  };
  for (const { name, problem } of found) {
    if (!problem || !isMissed(name, problem)) continue;
    const what = `${shownName(name)}: ${problem.text}`;
    await tell(strict ? `${directory}: ${what}` : `skipped ${what}`);
  }
  const unread = unreadFormats(names);
  if (unread !== "") await tell(`${directory}: ${unread}: these formats are not read; make them ${READ_FORMATS}`);
  if (images.length > 0) return images;
  throw new EmberwingError("MissingFile", `${directory}: expected ${READ_FORMATS} images, found ${othersAmong(found)}`);
}

/** What could be an image or a folder of images; other things that cannot be read are in nobody's way. */
function isMissed(name: string, { what }: FoundProblem): boolean {
  return what === "folder" || IMAGE_FILE.test(name) || (what === "link" && NO_ENDING.test(name));
}

function othersAmong(found: readonly FoundFile[]): string {
  const files = found.filter(({ problem }) => problem?.what !== "empty folder").map(({ name }) => name);
  return files.length === 0 ? "no files" : `only other files, such as ${shownName(files[0] ?? "")}`;
}

/** The files of these names, each with its label where there are any. */
export async function* folderImages(
  files: ReadableFiles,
  folders: readonly ImageFolder[],
  labels: readonly ClassLabel[] | undefined,
): AsyncGenerator<EncodedImage> {
  let index = 0;
  for (const { directory, names } of folders) {
    for (const name of names) {
      const label = labels?.[index++];
      const read = (): Promise<Uint8Array> => files.read(files.join(directory, name));
      yield { name: shownName(name), read, ...(label !== undefined && { label }) };
    }
  }
}
