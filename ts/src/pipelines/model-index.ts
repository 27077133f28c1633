/** `model_index.json`: which classes a saved pipeline is made of. */
import { call } from "../engine.js";
import { describe, EmberwingError } from "../errors.js";

export const MODEL_INDEX = "model_index.json";

export interface ModelIndex {
  /** The pipeline's class. */
  className: string;
  /** The parts' classes by name; parts that the pipeline was saved without are left away. */
  components: Record<string, string>;
}

/** A keyword argument in Python: it becomes a path, which must not lead out of the folder. */
const PART_NAME = /^(?!__)[A-Za-z_]\w*$/;

export function parseModelIndex(text: string): ModelIndex {
  const content: unknown = JSON.parse(call((core) => core.parsePythonJson(MODEL_INDEX, text)));
  const { _class_name: className, ...entries } = (content ?? {}) as Record<string, unknown>;
  if (typeof className !== "string") {
    const problem = `${MODEL_INDEX}: _class_name: expected the name of the pipeline's class, got ${describe(className)}`;
    throw new EmberwingError("InvalidFile", problem);
  }
  // Pairs [library, class] are parts, [null, null] absent ones; all else are options of the pipeline.
  for (const [name, value] of Object.entries(entries)) {
    const isPair = Array.isArray(value) && value.length === 2;
    if (isPair && !value.every((item) => item === null) && !value.every((item) => typeof item === "string")) {
      const problem = `${MODEL_INDEX}: ${name}: expected [library, class], got ${describe(value)}`;
      throw new EmberwingError("InvalidFile", problem);
    }
  }
  const pairs = Object.entries(entries).filter(([, value]) => Array.isArray(value) && typeof value[1] === "string");
  const strange = pairs.find(([name]) => !PART_NAME.test(name));
  if (strange) {
    const problem = `expected names of parts, which are folders beside it, got ${describe(strange[0])}`;
    throw new EmberwingError("InvalidFile", `${MODEL_INDEX}: ${problem}`);
  }
  return {
    className,
    components: Object.fromEntries(pairs.map(([name, value]) => [name, (value as string[])[1]])) as Record<
      string,
      string
    >,
  };
}

export function formatModelIndex({ className, components }: ModelIndex): string {
  const pairs = Object.entries(components).map(([name, component]) => [name, ["diffusers", component]]);
  return call((core) => {
    const head = { _class_name: className, _diffusers_version: core.diffusersVersion() };
    return core.formatPythonJson(JSON.stringify({ ...head, ...Object.fromEntries(pairs) }));
  });
}
