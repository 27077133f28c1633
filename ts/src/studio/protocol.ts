/** What the studio's server and its page say to each other, as JSON. */

/** `GET api/runs`. */
export interface RunList {
  /** The folders that are watched. */
  readonly roots: readonly WatchedRoot[];
  readonly runs: readonly RunSummary[];
  /** Absent where every folder was looked at. */
  readonly leftOut?: string;
}

export interface WatchedRoot {
  readonly path: string;
  /** Why nothing can be found there now. */
  readonly problem?: string;
}

export interface RunSummary {
  /** Stays the same while the folder keeps its path. */
  readonly id: string;
  /** As much of the path as tells it from the others. */
  readonly name: string;
  readonly folder: string;
  /** "training": a process writes there now. */
  readonly state: "training" | "finished" | "stopped";
  /** 0 before the first. */
  readonly step: number;
  readonly plannedSteps?: number;
  /** Changes when `run.json` does; absent where there is none. */
  readonly record?: string;
  /** When the log last grew, in milliseconds since 1970. */
  readonly changed: number;
  /** Oldest first. */
  readonly grids: readonly SampleGridEntry[];
  /** What is wrong with the folder's files. */
  readonly problem?: string;
}

/** `GET api/runs/ID/samples/STEP?VERSION` is its picture. */
export interface SampleGridEntry {
  readonly step: number;
  readonly version: string;
}

/** Every answer that is no success. */
export interface Failure {
  readonly error: string;
}

/**
 * `GET api/runs/ID/metrics?from=BYTES&log=LOG`: whole lines of `metrics.jsonl` from there, as text. `FROM` differs from
 * the asked-for place where the log is another one: then it is 0 and what is known of it no longer holds. There is more
 * where `NEXT` is below `SIZE`, unless the answer is empty: then the last line is not yet whole.
 */
export const METRICS_HEADERS = {
  from: "Emberwing-From",
  next: "Emberwing-Next",
  size: "Emberwing-Size",
  log: "Emberwing-Log",
} as const;
