/** What can be trained here, with settings that suit it. */
import type { UNet2DModelConfig } from "emberwing";

export interface Preset {
  readonly id: string;
  readonly title: string;
  readonly detail: string;
  /** Of a new model; absent: the one that the page has goes on learning. */
  readonly model?: Partial<UNet2DModelConfig>;
  readonly steps: number;
  readonly sampleEvery: number;
  readonly batchSize: number;
  readonly learningRate: number;
}

export const PRESETS: readonly Preset[] = [
  {
    ...{ id: "tiny", title: "New, 16 × 16", detail: "Butterflies within minutes." },
    ...{ steps: 400, sampleEvery: 50, batchSize: 16, learningRate: 2e-3 },
    model: {
      ...{ sampleSize: 16, layersPerBlock: 1, blockOutChannels: [32, 64], normNumGroups: 8 },
      downBlockTypes: ["DownBlock2D", "AttnDownBlock2D"],
      upBlockTypes: ["AttnUpBlock2D", "UpBlock2D"],
    },
  },
  {
    ...{ id: "small", title: "New, 32 × 32", detail: "Finer, and ten times the work." },
    ...{ steps: 2000, sampleEvery: 100, batchSize: 16, learningRate: 1e-3 },
    model: {
      ...{ sampleSize: 32, layersPerBlock: 1, blockOutChannels: [32, 48, 64, 64], normNumGroups: 8 },
      downBlockTypes: ["DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
      upBlockTypes: ["UpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D"],
    },
  },
  {
    ...{
      id: "go-on",
      title: "Go on with this model",
      detail: "It learns what you show it.",
    },
    ...{ steps: 200, sampleEvery: 25, batchSize: 8, learningRate: 5e-4 },
  },
];

/** The noise schedule of new models; they predict the velocity (Salimans and Ho 2022), which few steps suffice for. */
export const NOISE_SCHEDULE = { betaSchedule: "squaredcos_cap_v2", predictionType: "v_prediction" } as const;
