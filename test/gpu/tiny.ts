/** A model that a program in place of a card can train too. */
export const tiny = {
  sampleSize: 8,
  layersPerBlock: 1,
  blockOutChannels: [8, 16],
  normNumGroups: 4,
  downBlockTypes: ["DownBlock2D" as const, "AttnDownBlock2D" as const],
  upBlockTypes: ["AttnUpBlock2D" as const, "UpBlock2D" as const],
};
