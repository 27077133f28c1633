/** The scheduler classes by their names in `model_index.json`. A new class is added here and in `index.ts`. */
import { DDIMScheduler } from "./ddim-scheduler.js";
import { DDPMScheduler } from "./ddpm-scheduler.js";
import type { Scheduler, SchedulerClass } from "./scheduler.js";

type LoadableScheduler = SchedulerClass<Scheduler> & Pick<typeof Scheduler, "fromPretrained">;

export const schedulerClasses: readonly LoadableScheduler[] = [DDPMScheduler, DDIMScheduler];
