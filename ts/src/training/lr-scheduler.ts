import type { LrScheduleHandle } from "../core.js";
import { call } from "../engine.js";
import type { LrScheduleOptions } from "../generated/LrScheduleOptions.js";
import { checkBag, checkInstance, checkInteger, checkNumber, toJson } from "../options.js";
import { AdamW } from "./adamw.js";

/** Which schedule, and its numbers; all count optimizer steps. */
export interface LRSchedulerOptions extends Partial<LrScheduleOptions> {
  /** What the schedule's factors multiply. */
  learningRate: number;
}

/**
 * Changes an optimizer's learning rate over a run, as diffusers' `get_scheduler` does.
 *
 * @example
 * const lrScheduler = await LRScheduler.create(optimizer, {
 *   name: "cosine", learningRate: 1e-4, numWarmupSteps: 500, numTrainingSteps: 10_000,
 * });
 * await optimizer.step();
 * await lrScheduler.step();
 */
export class LRScheduler {
  readonly #optimizer: AdamW;
  readonly #schedule: LrScheduleHandle;
  #steps = 0;

  private constructor(optimizer: AdamW, schedule: LrScheduleHandle) {
    this.#optimizer = optimizer;
    this.#schedule = schedule;
  }

  /** Sets the learning rate of the optimizer's first step. */
  static async create(optimizer: AdamW, options: LRSchedulerOptions): Promise<LRScheduler> {
    checkInstance("optimizer", optimizer, "an AdamW", AdamW);
    checkBag("options", options);
    const { learningRate, ...settings } = options;
    checkNumber("learningRate", learningRate);
    const schedule = call((core) => new core.LrSchedule(toJson(settings), learningRate));
    const scheduler = new LRScheduler(optimizer, schedule);
    await scheduler.#apply();
    return scheduler;
  }

  /** The learning rate of the optimizer's next step. */
  get learningRate(): number {
    return this.learningRateAt(this.#steps);
  }

  /** The learning rate after so many steps, for plots. */
  learningRateAt(steps: number): number {
    checkInteger("steps", steps, 0);
    return call(() => this.#schedule.learningRate(steps));
  }

  /** To be called after each step of the optimizer. */
  async step(): Promise<void> {
    this.#steps += 1;
    await this.#apply();
  }

  async #apply(): Promise<void> {
    await this.#optimizer.setLearningRate(this.learningRate);
  }
}
