/** How much picture and how much noise a scheduler mixes at each timestep. */

import { drawPanels } from "./panel.js";
import { linearScale } from "./scales.js";

/** Any scheduler with a table of ᾱ. */
export interface HasAlphasCumprod {
  readonly alphasCumprod: ArrayLike<number>;
}

/**
 * √ᾱ and √(1−ᾱ) by timestep, the two factors of `addNoise` (DDPM, https://arxiv.org/abs/2006.11239, equation 4):
 * an SVG document.
 */
export function plotNoiseSchedule(scheduler: HasAlphasCumprod): string {
  const alphas = Array.from(scheduler.alphasCumprod);
  return drawPanels("Share of picture and of noise by timestep", [
    {
      title: "Noise schedule",
      xLabel: "timestep",
      yLabel: "factor",
      x: linearScale(0, alphas.length - 1),
      y: linearScale(0, 1),
      lines: [
        { label: "√ᾱ, picture", role: "first", points: alphas.map((alpha, x) => ({ x, y: Math.sqrt(alpha) })) },
        { label: "√(1−ᾱ), noise", role: "second", points: alphas.map((alpha, x) => ({ x, y: Math.sqrt(1 - alpha) })) },
      ],
    },
  ]);
}
