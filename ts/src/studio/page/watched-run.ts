/** A run as the page follows it. */
import type { RunSummary } from "../protocol.js";
import { fetchMetrics, fetchRecord } from "./api.js";
import { type Look, lookOf } from "./colours.js";
import { Metrics } from "./metrics.js";

export class WatchedRun {
  summary: RunSummary;
  /** Which look it has: see `lookOf`. */
  readonly lookIndex: number;
  readonly look: Look;
  readonly metrics = new Metrics();
  /** `run.json`; absent where there is none, or not yet. */
  record: Record<string, unknown> | undefined;
  chosen: boolean;
  /** What went wrong with its files when they were last asked for. */
  problem = "";
  #following: Promise<void> | undefined;
  #next = 0;
  #log = "";
  #record: string | undefined;

  constructor(summary: RunSummary, lookIndex: number, chosen: boolean) {
    this.summary = summary;
    this.lookIndex = lookIndex;
    this.look = lookOf(lookIndex);
    this.chosen = chosen;
  }

  /** Gets what is new in the folder, once at a time; `onPart` hears of each part of a long log. */
  follow(onPart: () => void): Promise<void> {
    this.#following ??= this.#follow(onPart).finally(() => {
      this.#following = undefined;
    });
    return this.#following;
  }

  async #follow(onPart: () => void): Promise<void> {
    this.problem = "";
    try {
      await this.#followRecord();
      await this.#followMetrics(onPart);
    } catch (error) {
      // A server that is gone is told of by the list of runs, which is asked for next.
      this.problem = (error as Error).message;
    }
  }

  async #followRecord(): Promise<void> {
    const { id, record } = this.summary;
    if (record === this.#record) return;
    this.record = record === undefined ? undefined : await fetchRecord(id);
    this.#record = record;
  }

  async #followMetrics(onPart: () => void): Promise<void> {
    for (;;) {
      const part = await fetchMetrics(this.summary.id, this.#next, this.#log);
      if (part.from !== this.#next) this.metrics.clear();
      this.#next = part.next;
      this.#log = part.log;
      if (part.lines === "") return;
      this.metrics.append(part.lines);
      onPart();
      if (part.next >= part.size) return;
    }
  }
}
