/** Figures of the diffusion course: SVG documents as text, and grids of pictures. */

export { plotLosses } from "./losses.js";
export { noiseLevelsFigure } from "./noise-levels.js";
export { plotNoiseSchedule } from "./noise-schedule.js";
