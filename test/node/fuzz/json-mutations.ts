/** JSON that means something else than it should: other types, other keys, numbers and depths at which readers break. */
import fc from "fast-check";
import { damagedText } from "./mutations.js";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** As text, because a value cannot hold all of them: 1e400, or a key twice. */
const strange = fc.oneof(
  fc.constantFrom(
    ...[
      "null",
      "true",
      "false",
      "0",
      "-1",
      "1e400",
      "-0",
      "2147483648",
      "4294967295",
      "9007199254740993",
      "0.1",
      "1e-400",
    ],
    ...['""', '"x"', '"\\ud800"', '"\\u0000"', '"../../x"', '"/etc/passwd"', '"__proto__"', '"constructor"', '"NaN"'],
    ...["[]", "[null]", "[[]]", "{}", '{"__proto__":{"x":1}}', '{"length":-1}', '{"constructor":null,"toString":1}'],
  ),
  fc.nat(2000).map((depth) => "[".repeat(depth) + "]".repeat(depth)),
  fc.nat(500).map((depth) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`),
  fc.json({ maxDepth: 2 }),
  fc.string({ unit: "binary", maxLength: 12 }).map((text) => JSON.stringify(text)),
);

/** Keys that objects have of themselves, and some that files have. */
const keys = fc.constantFrom(
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "",
  "0",
  "length",
  "\ud800",
  "x",
);

type Swap = { at: number; kind: "value" | "key" | "remove" | "twice"; text: string; key: string };

const swaps: fc.Arbitrary<Swap> = fc.record({
  at: fc.nat(0xffff),
  kind: fc.constantFrom("value", "value", "value", "key", "remove", "twice"),
  text: strange,
  key: keys,
});

/** Texts of files with JSON, in which one to three values are others; now and then damaged as text, too. */
export function swappedJson(texts: readonly string[]): fc.Arbitrary<string> {
  const swapped = fc
    .tuple(fc.constantFrom(...texts), fc.array(swaps, { maxLength: 3 }))
    .map(([text, list]) => list.reduce(swap, text));
  return fc.oneof({ weight: 4, arbitrary: swapped }, { weight: 1, arbitrary: damagedText(texts) });
}

/** The text with one of its values changed; a text that is no JSON any more stays. */
function swap(text: string, { at, kind, text: replacement, key }: Swap): string {
  let root: Json;
  try {
    root = JSON.parse(text) as Json;
  } catch {
    return text;
  }
  const count = countValues(root);
  const chosen = Math.floor((at / 0x10000) * count);
  let index = 0;
  const print = (value: Json): string => {
    const isChosen = index++ === chosen;
    if (isChosen && kind === "value") return replacement;
    if (Array.isArray(value)) return `[${value.map(print).join()}]`;
    if (value === null || typeof value !== "object") return JSON.stringify(value);
    const entries = Object.entries(value).flatMap(([name, item]) => {
      const isMember = index === chosen;
      const printed = print(item);
      if (isMember && kind === "remove") return [];
      const pair = `${JSON.stringify(isMember && kind === "key" ? key : name)}:${printed}`;
      return isMember && kind === "twice" ? [pair, `${JSON.stringify(name)}:${replacement}`] : [pair];
    });
    return `{${entries.join()}}`;
  };
  return print(root);
}

function countValues(value: Json): number {
  if (value === null || typeof value !== "object") return 1;
  return Object.values(value).reduce<number>((sum, item) => sum + countValues(item), 1);
}
