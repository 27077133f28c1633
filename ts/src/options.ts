/** Checks of what does not cross into the core as it is; the core checks the rest. */
import { describe, EmberwingError, invalidArgument, tagOf } from "./errors.js";

/** Refuses what is no object of options: what is left out must not be taken for the defaults by accident. */
export function checkBag(what: string, given: unknown): void {
  if (tagOf(given) !== "Object") throw invalidArgument(what, "an options object", given);
}

/** Refuses keys that `what` does not know, so that a misspelt option is never silently ignored, and wrong values. */
export function checkOptions(what: string, given: object, allowed: readonly string[]): void {
  checkBag(what, given);
  const unknown = Object.keys(given).find((key) => !allowed.includes(key));
  checkKinds(given);
  if (unknown === undefined) return;
  throw new EmberwingError(
    "InvalidConfig",
    `${what}: unknown option ${describe(unknown)}, expected one of ${allowed.map((key) => `\`${key}\``).join(", ")}`,
  );
}

type Kind = readonly [names: string, expected: string, fits: (value: unknown) => boolean];

const isString = (value: unknown): boolean => typeof value === "string";
const has = (value: unknown, method: string): boolean =>
  typeof (value as Record<string, unknown> | null)?.[method] === "function";
const isInteger = (value: unknown, minimum: number): boolean =>
  Number.isSafeInteger(value) && (value as number) >= minimum;

/** What the options that do not cross take: a name means the same everywhere. */
const KINDS: readonly Kind[] = [
  ["onStep onWarning onProgress", "a function", (value) => typeof value === "function"],
  ["signal", "an AbortSignal", (value) => has(value, "throwIfAborted")],
  [
    "device variant subfolder revision token imageColumn commitMessage outputDir resumeFromCheckpoint license",
    "a string that is not empty",
    (value) => isString(value) && value !== "",
  ],
  ["description command", "a string", isString],
  ["strict streaming private track", "true or false", (value) => typeof value === "boolean"],
  ["numPerClass size columns", "an integer of at least 1", (value) => isInteger(value, 1)],
  ["padding", "an integer of at least 0", (value) => isInteger(value, 0)],
  ["strength quality", "a number", Number.isFinite],
  ["dtype", 'one of "float32", "float16", "bfloat16"', isString],
  ["outputType", '"image" or "tensor"', (value) => value === "image" || value === "tensor"],
  ["samples", "an Image", (value) => has(value, "toPNG")],
  ["tags", "an array of strings", (value) => Array.isArray(value) && value.every(isString)],
  [
    "facts",
    "an array of [name, value]",
    (value) =>
      Array.isArray(value) && value.every((row) => Array.isArray(row) && row.length === 2 && row.every(isString)),
  ],
  [
    "background",
    "a number, or [red, green, blue]",
    (value) => [value].flat().every(Number.isFinite) && (!Array.isArray(value) || value.length === 3),
  ],
  [
    "classLabels",
    "labels",
    (value) => isString(value) || Number.isFinite(value) || (typeof value === "object" && value !== null),
  ],
];

/** Refuses values that the options of these names do not take. */
export function checkKinds(given: object): void {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const [, expected, fits] = KINDS.find(([names]) => names.split(" ").includes(name)) ?? [];
    if (expected !== undefined && !fits?.(value)) throw invalidArgument(name, expected, value);
  }
}

/** The key under which the core finds what a value was that JSON has no form for, and refuses it by its name. */
const FOREIGN = "emberwing:foreign";

/** Options as the core takes them. JSON alone would leave out NaN and functions, and take boxed numbers and dates. */
export function toJson(options: object): string {
  checkBag("options", options);
  return JSON.stringify(options, function (this: Record<string, unknown>, name: string) {
    const value = this[name];
    if (value === options) return value;
    // Python's way to say that there is no limit.
    if (value === Number.NEGATIVE_INFINITY && name === "lambdaMinClipped") return null;
    if (value === Number.POSITIVE_INFINITY && name === "sTmax") return undefined;
    const isItem = Array.isArray(this);
    const isPlain = value === null || ["string", "boolean"].includes(typeof value) || Number.isFinite(value);
    if (isPlain || (Array.isArray(value) && !isItem) || (value === undefined && !isItem)) return value;
    return { [FOREIGN]: describe(value) };
  });
}

/** An object of one of our classes; `expected` names it with its article. */
export function checkInstance(argument: string, value: unknown, expected: string, Class: AnyClass): void {
  if (value instanceof Class) return;
  if (!isOfTwin(value, Class)) throw invalidArgument(argument, expected, value);
  throw new EmberwingError(
    "InvalidArgument",
    `${argument}: expected ${expected}, got one of another copy of emberwing: \`import\` and \`require\` give two, use one of them`,
  );
}

/** Has one of the value's classes the name of the wanted one? */
function isOfTwin(value: unknown, { name }: AnyClass): boolean {
  if (typeof value !== "object" || value === null) return false;
  return (
    Object.getPrototypeOf(value)?.constructor?.name === name ||
    isOfTwin(Object.getPrototypeOf(value), { name } as AnyClass)
  );
}

/** Also a class whose constructor is private. */
interface AnyClass {
  readonly name: string;
  [Symbol.hasInstance](value: unknown): boolean;
}

/** An integer of at least `minimum`. */
export function checkInteger(argument: string, value: number, minimum: number): void {
  if (!isInteger(value, minimum)) throw invalidArgument(argument, `an integer of at least ${minimum}`, value);
}

/** A number that is not NaN or infinite. */
export function checkNumber(argument: string, value: number): void {
  if (!Number.isFinite(value)) throw invalidArgument(argument, "a number", value);
}

/** The path of a folder or file: an empty one would be the folder in which the program happens to run. */
export function checkPath(argument: string, path: string, expected: string): void {
  if (typeof path !== "string" || path === "") throw invalidArgument(argument, expected, path);
}
