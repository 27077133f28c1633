import { DDPMScheduler, Generator, type Tensor } from "emberwing";

const scheduler = new DDPMScheduler({ numTrainTimesteps: 1000, betaSchedule: "squaredcos_cap_v2" });
const noise: Tensor = new Generator(42).randn([1, 3, 8, 8]);
export const shape: readonly number[] = noise.shape;
export const steps: number = scheduler.config.numTrainTimesteps;

// @ts-expect-error there is no such schedule
new DDPMScheduler({ betaSchedule: "cosine" });
