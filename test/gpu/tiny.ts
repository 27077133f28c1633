/** A model that a program in place of a card can train too. */
export const tiny = {
  sampleSize: 8,
  layersPerBlock: 1,
  blockOutChannels: [8, 16],
  normNumGroups: 4,
  downBlockTypes: ["DownBlock2D" as const, "AttnDownBlock2D" as const],
  upBlockTypes: ["AttnUpBlock2D" as const, "UpBlock2D" as const],
};

/** A model whose products are large enough for tiles in shared memory: those of `tiny` are computed without. */
export const wide = {
  sampleSize: 32,
  layersPerBlock: 1,
  blockOutChannels: [64],
  downBlockTypes: ["DownBlock2D" as const],
  upBlockTypes: ["UpBlock2D" as const],
  addAttention: false,
};
