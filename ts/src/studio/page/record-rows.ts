/** The settings of runs beside each other. */

export interface RecordRow {
  readonly name: string;
  /** One a run; absent settings are `undefined`. */
  readonly values: readonly (string | undefined)[];
  /** Whether the runs differ in it. */
  readonly differs: boolean;
}

/** Every run has its own folder and time, and its command follows from the rest. */
const OWN = new Set(["began", "command", "outputDir"]);

/** A row for each setting of `run.json`, in the order of the file; a record that is `undefined` is not there. */
export function recordRows(records: readonly (Readonly<Record<string, unknown>> | undefined)[]): RecordRow[] {
  const flat = records.map((record) => new Map(record ? flatten(record) : []));
  const known = flat.filter((_, index) => records[index] !== undefined);
  const names = new Set(flat.flatMap((values) => [...values.keys()]));
  return [...names].map((name) => {
    const isSame = known.every((values) => values.get(name) === known[0]?.get(name));
    return { name, values: flat.map((values) => values.get(name)), differs: !isSame && !OWN.has(name) };
  });
}

/** Settings of the run under their own names, those of the model as `model.layersPerBlock`. */
function flatten(record: Readonly<Record<string, unknown>>): [string, string][] {
  return Object.entries(record).flatMap(([key, value]): [string, string][] => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return [[key, written(value)]];
    const prefix = key === "settings" ? "" : `${key}.`;
    return Object.entries(value).map(([inner, setting]) => [`${prefix}${inner}`, written(setting)]);
  });
}

function written(value: unknown): string {
  if (Array.isArray(value)) return value.map(written).join(", ");
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}
