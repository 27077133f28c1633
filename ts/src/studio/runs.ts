/** The runs of the watched folders, as they are now. */
import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { isLocked } from "../platform/folder-lock.js";
import { readContained } from "./contained-file.js";
import { RequestFailure } from "./failures.js";
import { lastLine, METRICS_FILE } from "./metrics-file.js";
import type { RunList, RunSummary, SampleGridEntry } from "./protocol.js";
import { findRunFolders } from "./run-folders.js";
import { shortNames } from "./short-names.js";

const RECORD_FILE = "run.json";
const RECORD_BYTES = 1 << 20;
const GRID_BYTES = 1 << 26;

/** So that several pages that ask at once do not search several times. */
const FRESH_MS = 500;

export class Runs {
  readonly #roots: readonly string[];
  #list: Promise<RunList> | undefined;
  #listed = 0;

  constructor(roots: readonly string[]) {
    this.#roots = roots;
  }

  list(): Promise<RunList> {
    const now = performance.now();
    if (!this.#list || now - this.#listed > FRESH_MS) {
      this.#listed = now;
      this.#list = listRuns(this.#roots);
    }
    return this.#list;
  }

  /** The folder of a run that was listed: no request can name another one. */
  async folderOf(id: string): Promise<string> {
    const run = (await this.list()).runs.find((run) => run.id === id);
    if (run) return run.folder;
    throw new RequestFailure(404, "this run's folder is not there any more");
  }
}

async function listRuns(roots: readonly string[]): Promise<RunList> {
  const { runs: folders, ...rest } = await findRunFolders(roots);
  const names = shortNames(folders);
  const runs = await Promise.all(folders.map((folder, index) => summarise(folder, names[index] ?? folder)));
  return { ...rest, runs: runs.filter((run) => run !== undefined) };
}

/** `undefined` where the folder went away in between. */
async function summarise(folder: string, name: string): Promise<RunSummary | undefined> {
  const [log, record] = await Promise.all([METRICS_FILE, RECORD_FILE].map((file) => changeTime(join(folder, file))));
  if (log === undefined) return undefined;
  const problems: string[] = [];
  const noting = async <T>(work: () => Promise<T>): Promise<T | undefined> =>
    work().catch((error: Error) => {
      problems.push(error.message);
      return undefined;
    });
  const step = (await noting(() => lastStep(folder))) ?? 0;
  const plan = record === undefined ? undefined : await noting(() => readRecord(folder));
  const plannedSteps = Number.isSafeInteger(plan?.plannedSteps) ? (plan?.plannedSteps as number) : undefined;
  const isDone = plannedSteps !== undefined && step >= plannedSteps;
  return {
    ...{ id: createHash("sha256").update(folder).digest("hex").slice(0, 16), name, folder },
    state: (await isLocked(folder)) ? "training" : isDone ? "finished" : "stopped",
    ...{ step, changed: log, grids: await gridsOf(folder) },
    ...(plannedSteps !== undefined && { plannedSteps }),
    ...(record !== undefined && { record: String(record) }),
    ...(problems.length > 0 && { problem: problems.join("; ") }),
  };
}

async function lastStep(folder: string): Promise<number> {
  const line = await lastLine(folder);
  if (line === undefined) return 0;
  const { step } = parseObject(line, `${METRICS_FILE}, last line`);
  // 1e400 is a number in JSON and none in an answer.
  if (Number.isSafeInteger(step)) return step as number;
  throw new RequestFailure(422, `${METRICS_FILE}: expected lines with "step", found ${line.slice(0, 40)}`);
}

async function readRecord(folder: string): Promise<Record<string, unknown>> {
  return parseObject(await readRecordText(folder), RECORD_FILE);
}

/** `run.json`, whatever a run of another version wrote into it, as long as it is an object. */
export async function readRecordText(folder: string): Promise<string> {
  const text = (await readContained(folder, RECORD_FILE, RECORD_BYTES)).toString();
  parseObject(text, RECORD_FILE);
  return text;
}

function parseObject(text: string, where: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Said below, with what is there.
  }
  throw new RequestFailure(422, `${where}: expected a JSON object, found ${JSON.stringify(text.slice(0, 40))}`);
}

/** The grid of samples after so many steps. */
export function readGrid(folder: string, step: number): Promise<Buffer> {
  return readContained(folder, `samples/step-${String(step).padStart(6, "0")}.png`, GRID_BYTES);
}

async function gridsOf(folder: string): Promise<SampleGridEntry[]> {
  const samples = join(folder, "samples");
  const names = await readdir(samples).catch(() => []);
  const grids = names.map(async (name) => {
    const step = /^step-(\d{6,12})\.png$/.exec(name)?.[1];
    const changed = step === undefined ? undefined : await changeTime(join(samples, name));
    return changed === undefined ? [] : [{ step: Number(step), version: String(changed) }];
  });
  return (await Promise.all(grids)).flat().sort((a, b) => a.step - b.step);
}

/** Milliseconds since 1970; `undefined` where there is no such file. */
async function changeTime(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
}
