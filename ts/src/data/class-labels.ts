/** The classes of a data set: numbers for the model, names for people. */
import { EmberwingError, invalidArgument } from "../errors.js";
import { shownName } from "../platform/shown-name.js";

/** What a source calls an image's class: a name, or its number; false and true are 0 and 1. */
export type ClassLabel = string | number | boolean;

export interface Classes {
  /** One an image. */
  readonly numbers: Uint32Array;
  /** By number. */
  readonly names: readonly string[];
}

/**
 * Names are numbered in the order of Python's `sorted`, as torchvision's `ImageFolder` does; numbers stay.
 *
 * @param names What the numbers mean, where the source says so.
 */
export function numberClasses(labels: readonly ClassLabel[], names?: readonly string[]): Classes {
  if (labels.length > 0 && labels.every((label) => typeof label === "boolean")) {
    return { numbers: Uint32Array.from(labels, Number), names: ["false", "true"] };
  }
  if (labels.every((label) => typeof label === "string")) {
    const sorted = [...new Set(labels)].sort();
    return { numbers: Uint32Array.from(labels, (label) => sorted.indexOf(label)), names: sorted };
  }
  const numbers = Uint32Array.from(labels, (label, index) => classNumber(label, `classLabels[${index}]`));
  const count = numbers.reduce((largest, number) => Math.max(largest, number), 0) + 1;
  return { numbers, names: names ?? Array.from({ length: count }, (_, number) => String(number)) };
}

function classNumber(label: ClassLabel, argument: string): number {
  if (typeof label === "number" && Number.isInteger(label) && label >= 0 && label < 2 ** 32) return label;
  throw invalidArgument(argument, "a class number, an integer of at least 0", label);
}

/** The folder that an image lies in, directly below the root: its class. */
export function folderClass(name: string): string {
  const [folder, ...rest] = shownName(name).split("/");
  if (folder !== undefined && rest.length > 0) return folder;
  throw new EmberwingError(
    "InvalidArgument",
    `classLabels: expected every image in a folder of its class, got ${shownName(name)}`,
  );
}
