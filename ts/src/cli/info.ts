/** `emberwing info`: what a folder holds, or what this machine offers. */
import { join } from "node:path";
import type { Command } from "commander";
import { devices } from "../engine.js";
import { EmberwingError } from "../errors.js";
import { UNet2DModel } from "../models/unet-2d-model.js";
import { DiffusionPipeline } from "../pipelines/diffusion-pipeline.js";
import { openFolder } from "../pretrained/folder.js";
import { Scheduler } from "../schedulers/scheduler.js";
import { warn } from "./output.js";
import { packageVersion } from "./package-version.js";
import { formatTable } from "./table.js";

type Row = [name: string, value: string];

const EXAMPLES = `
Examples:
  emberwing info                      versions and devices
  emberwing info emberwing-output     the pipeline that was trained there
  emberwing info hub:owner/name       the pipeline of a repository on the hub`;

export function addInfoCommand(program: Command): void {
  program
    .command("info")
    .description("what a pipeline or model folder holds; without a folder, versions and devices")
    .argument("[folder]", "saved by emberwing or diffusers, or hub:owner/name")
    .addHelpText("after", EXAMPLES)
    .action(async (folder?: string) => {
      process.stdout.write(formatTable(folder === undefined ? machineRows() : await folderRows(folder)));
    });
}

function machineRows(): Row[] {
  return [
    ["emberwing", packageVersion()],
    ["Node.js", process.versions.node],
    ["platform", `${process.platform} ${process.arch}`],
    ["devices", devices().join(", ")],
  ];
}

async function folderRows(folder: string): Promise<Row[]> {
  const names = (await openFolder(folder).fileNames()) ?? [];
  if (names.includes("model_index.json"))
    return pipelineRows(await DiffusionPipeline.fromPretrained(folder, { onWarning: warn }));
  if (names.includes("config.json")) return modelRows(await UNet2DModel.fromPretrained(folder, { onWarning: warn }));
  const expected = `${join(folder, "model_index.json")} (a pipeline) or ${join(folder, "config.json")} (a model)`;
  throw new EmberwingError("MissingFile", `${folder}: expected ${expected}, found neither`);
}

function pipelineRows(pipeline: DiffusionPipeline): Row[] {
  return [["pipeline", pipeline.constructor.name], ...Object.values(pipeline.components).flatMap(componentRows)];
}

function componentRows(component: object): Row[] {
  if (component instanceof UNet2DModel) return modelRows(component);
  if (component instanceof Scheduler) return schedulerRows(component);
  return [["component", component.constructor.name]];
}

function modelRows(model: UNet2DModel): Row[] {
  const { config } = model;
  const size = [config.sampleSize].flat();
  return [
    ["model", "UNet2DModel"],
    ["parameters", model.countParameters().toLocaleString("en")],
    ["image size", `${size.length === 1 ? `${size[0]} × ${size[0]}` : size.join(" × ")}`],
    ["channels", `${config.inChannels} in, ${config.outChannels} out`],
    ["blocks", config.downBlockTypes.map((type, level) => `${type} ${config.blockOutChannels[level]}`).join(", ")],
    ["layers per block", String(config.layersPerBlock)],
  ];
}

function schedulerRows(scheduler: Scheduler): Row[] {
  const { numTrainTimesteps, betaSchedule, predictionType } = scheduler.config as Record<string, unknown>;
  return [
    ["scheduler", scheduler.constructor.name],
    ["timesteps", String(numTrainTimesteps)],
    ["beta schedule", String(betaSchedule)],
    ["prediction", String(predictionType)],
  ];
}
