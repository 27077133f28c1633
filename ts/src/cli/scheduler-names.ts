/** The schedulers by their names: diffusers' classes, and the short names that people know from other tools. */
import { InvalidArgumentError } from "commander";
import { EmberwingError } from "../errors.js";
import { DDIMInverseScheduler } from "../schedulers/ddim-inverse-scheduler.js";
import { DPMSolverMultistepInverseScheduler } from "../schedulers/dpm-solver-multistep-inverse-scheduler.js";
import { type LoadableScheduler, schedulerClasses } from "../schedulers/registry.js";
import { RePaintScheduler } from "../schedulers/repaint-scheduler.js";

/** A scheduler class with the settings that a name stands for. */
export interface NamedScheduler {
  Class: LoadableScheduler;
  /** Settings of the class that the name asks for. */
  options: Record<string, unknown>;
  /** How many steps are usual. */
  numInferenceSteps: number;
}

const SDE = { algorithmType: "sde-dpmsolver++" };

/** Short names, with the settings where the class has several methods. */
const SHORT_NAMES: Record<string, [className: string, options?: Record<string, unknown>]> = {
  ddpm: ["DDPMScheduler"],
  ddim: ["DDIMScheduler"],
  pndm: ["PNDMScheduler"],
  plms: ["PNDMScheduler", { skipPrkSteps: true }],
  euler: ["EulerDiscreteScheduler"],
  euler_a: ["EulerAncestralDiscreteScheduler"],
  heun: ["HeunDiscreteScheduler"],
  lms: ["LMSDiscreteScheduler"],
  dpm2: ["KDPM2DiscreteScheduler"],
  dpm2_a: ["KDPM2AncestralDiscreteScheduler"],
  "dpm++": ["DPMSolverMultistepScheduler"],
  "dpm++_2m": ["DPMSolverMultistepScheduler"],
  "dpm++_2m_sde": ["DPMSolverMultistepScheduler", SDE],
  "dpm++_3m_sde": ["DPMSolverMultistepScheduler", { ...SDE, solverOrder: 3 }],
  "dpm++_2s": ["DPMSolverSinglestepScheduler"],
  "dpm++_sde": ["DPMSolverSDEScheduler"],
  unipc: ["UniPCMultistepScheduler"],
  deis: ["DEISMultistepScheduler"],
  sa_solver: ["SASolverScheduler"],
  lcm: ["LCMScheduler"],
  tcd: ["TCDScheduler"],
};

/** Endings of short names, for the classes that have the option: where the steps lie. */
const CURVES: Record<string, string> = {
  _karras: "useKarrasSigmas",
  _exponential: "useExponentialSigmas",
  _beta: "useBetaSigmas",
};

/** Where 50 steps are not what is usual. */
const USUAL_STEPS: Record<string, number> = { DDPMScheduler: 1000, LCMScheduler: 4, TCDScheduler: 4 };

/** These do not paint from noise alone. */
const OTHER_WAYS: readonly string[] = [
  DDIMInverseScheduler.className,
  DPMSolverMultistepInverseScheduler.className,
  RePaintScheduler.className,
];

export const schedulerShortNames: readonly string[] = Object.keys(SHORT_NAMES);

export const schedulerClassNames: readonly string[] = schedulerClasses
  .map(({ className }) => className)
  .filter((name) => !OTHER_WAYS.includes(name));

/** What a name on the command line stands for; case does not matter, nor do spaces and hyphens. */
export function schedulerNamed(text: string): NamedScheduler {
  const named = classNamed(text) ?? shortNamed(text);
  if (named) return named;
  const endings = Object.keys(CURVES).join(", ");
  throw new InvalidArgumentError(
    `Expected one of ${schedulerShortNames.join(", ")} (${endings} after those that can), or a class of diffusers: ${schedulerClassNames.join(", ")}.`,
  );
}

function classNamed(text: string): NamedScheduler | undefined {
  const wanted = text.toLowerCase().replace(/scheduler$/, "");
  const className = schedulerClassNames.find((name) => name.toLowerCase() === `${wanted}scheduler`);
  return className ? withUsualSteps(className, {}) : undefined;
}

function shortNamed(text: string): NamedScheduler | undefined {
  const name = simplified(text);
  const ending = Object.keys(CURVES).find((candidate) => name.endsWith(candidate)) ?? "";
  const short = name.slice(0, name.length - ending.length);
  const [className, options = {}] = (Object.hasOwn(SHORT_NAMES, short) && SHORT_NAMES[short]) || [];
  if (className === undefined) return undefined;
  const curve = CURVES[ending];
  if (curve === undefined) return withUsualSteps(className, options);
  const hasCurve = curve in new (classOf(className))({}).config;
  return hasCurve ? withUsualSteps(className, { ...options, [curve]: true }) : undefined;
}

/** "DPM++ 2M Karras", "dpmpp_2m_karras" → "dpm++_2m_karras"; "k_euler_ancestral" → "euler_a". */
function simplified(text: string): string {
  return text
    .toLowerCase()
    .replace(/[\s-]+/g, "_")
    .replace(/^k_/, "")
    .replace("dpmpp", "dpm++")
    .replace("dpm_2", "dpm2")
    .replace("uni_pc", "unipc")
    .replace(/_bh2$/, "")
    .replace("ancestral", "a");
}

function withUsualSteps(className: string, options: Record<string, unknown>): NamedScheduler {
  return { Class: classOf(className), options, numInferenceSteps: USUAL_STEPS[className] ?? 50 };
}

function classOf(className: string): LoadableScheduler {
  const found = schedulerClasses.find((candidate) => candidate.className === className);
  if (!found) throw new EmberwingError("Internal", `no scheduler class ${className}`);
  return found;
}
