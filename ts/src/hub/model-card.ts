/** The README.md of a repository: what the hub shows of a model, and the front matter that it sorts it by. */
import type { Image } from "../images.js";

/** What a model card says. */
export interface ModelCardOptions {
  /** A licence as the hub names it. Default `"mit"`, as diffusers' script. */
  license?: string;
  /** Besides `diffusers`, `emberwing` and `unconditional-image-generation`. */
  tags?: readonly string[];
  /** A few sentences of Markdown under the name. */
  description?: string;
  /** A picture that the model drew; becomes `samples.png`. */
  samples?: Image;
  /** How it was trained: a table. */
  facts?: readonly (readonly [name: string, value: string])[];
  /** The command that trained it. */
  command?: string;
}

export const MODEL_CARD = "README.md";
export const SAMPLES = "samples.png";
export const MODEL_CARD_OPTIONS = ["license", "tags", "description", "samples", "facts", "command"] as const;

const TASK = "unconditional-image-generation";

/** @param pipelineClass Such as `"DDPMPipeline"`. */
export function modelCard(repoId: string, pipelineClass: string, options: ModelCardOptions): string {
  const { license = "mit", tags = [], samples, facts = [], command } = options;
  const { description = `A \`${pipelineClass}\` for unconditional image generation.` } = options;
  const sections = [
    frontMatter(license, [TASK, "diffusers", "emberwing", ...tags]),
    `# ${repoId.split("/").at(-1)}`,
    description,
    samples && `![Samples](./${SAMPLES})`,
    usage(repoId, pipelineClass),
    facts.length + (command?.length ?? 0) > 0 && "## Training",
    facts.length > 0 && ["| | |", "| --- | --- |", ...facts.map(row)].join("\n"),
    command && codeBlock("sh", command),
  ];
  return `${sections.filter((section) => section).join("\n\n")}\n`;
}

function frontMatter(license: string, tags: readonly string[]): string {
  const lines = [`license: ${yaml(license)}`, "library_name: diffusers", `pipeline_tag: ${TASK}`, "tags:"];
  return ["---", ...lines, ...[...new Set(tags)].map((tag) => `- ${yaml(tag)}`), "---"].join("\n");
}

/** Plain where that can be nothing else; a JSON string is YAML too. */
const yaml = (text: string): string => (/^[a-z][a-z0-9-]*$/.test(text) ? text : JSON.stringify(text));

function usage(repoId: string, pipelineClass: string): string {
  const typescript = `import { DiffusionPipeline } from "emberwing";

const pipeline = await DiffusionPipeline.fromPretrained("hub:${repoId}");
const { images } = await pipeline.generate({ seed: 0 });
await images[0].save("image.png");`;
  const python = `from diffusers import ${pipelineClass}

pipeline = ${pipelineClass}.from_pretrained("${repoId}")
pipeline().images[0].save("image.png")`;
  return ["## Usage", codeBlock("ts", typescript), codeBlock("python", python)].join("\n\n");
}

const row = ([name, value]: readonly [string, string]): string => `| ${cell(name)} | ${cell(value)} |`;
const cell = (text: string): string => text.replaceAll("|", "\\|").replace(/\s*\n\s*/g, " ");

function codeBlock(language: string, text: string): string {
  const fence = text.includes("```") ? "````" : "```";
  return [fence + language, text, fence].join("\n");
}
